"""The fusion loss of RegionFuse, and how long its routers are kept in balance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.cddfuse import strongest
from fusionlib.losses.channels import check_comparable
from fusionlib.losses.factors import check_factors


@dataclass(frozen=True)
class RegionFuseLoss:
    """L = L_int + gradient L_grad, and load L_load in the first epochs.

    `terms = loss(fused, ir, vi)` takes (B, C, H, W) in [0, 1], C of them 1 or
    3, and returns scalars: the terms without their factors, and `total`, which
    has no L_load: that is of the routers, see `load_balancing`, and their
    training adds it.

    Args:
        gradient: lambda, of the mean distance of |gx| + |gy| to the larger one
            of both sources; 5 in the paper.
        load: mu, of the load-balancing loss; 5 in the paper.
        load_epochs: the epochs that have it; 5 in the paper.
        fresh: whether Adam forgets the routers' gradients when it is dropped.
            Inferred: they were hundreds of times those of the fusion loss, so
            that for thousands of steps routers would stand still, while the
            paper's allocation "changes dynamically" (section 2.5).

    Source: RegionFuse, sections 2.3 to 2.5. Inferred: L_int, the mean distance
    to the larger source; that the gradient is Sobel's; that mu stands for all
    rounds' routers together, of which the mean is taken.

    Raises FusionError for images that don't compare.
    """

    gradient: float = 5.0
    load: float = 5.0
    load_epochs: int = 5
    fresh: bool = True

    def __post_init__(self):
        check_factors(self, "gradient", "load")
        if isinstance(self.load_epochs, bool) or not isinstance(self.load_epochs, int):
            raise FusionError(f"load_epochs is a whole number, not {self.load_epochs!r}.")
        if self.load_epochs < 0:
            raise FusionError(f"load_epochs is 0 or more, not {self.load_epochs}.")

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        check_comparable(fused, ir, vi)
        fused, ir, vi = fused.float(), ir.float(), vi.float()
        terms = {
            "intensity": (fused - torch.maximum(ir, vi)).abs().mean(),
            "gradient": strongest(fused, ir, vi),
        }
        # L_int + lambda L_grad, section 2.3
        return {**terms, "total": terms["intensity"] + self.gradient * terms["gradient"]}
