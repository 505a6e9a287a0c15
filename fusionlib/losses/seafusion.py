"""The content loss of SeAFusion (Tang et al., Information Fusion 2022)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.cddfuse import strongest
from fusionlib.losses.channels import check_comparable, luminance
from fusionlib.losses.factors import check_factors


@dataclass(frozen=True)
class SeAFusionLoss:
    """L = intensity L_int + gradient L_grad; `terms = loss(fused, ir, vi)`.

    (B, C, H, W) in [0, 1], C of them 1 or 3; a grey ir (B, 1, H, W) goes with
    both. Returns scalars: the terms without their factors, and `total`. Of
    colour it sees the luminance alone, as the released code, which fuses Y of
    the visible image: three channels that are fused with it are free in their
    chroma.

    The semantic term is not part of it: that is the loss of a segmentation
    network, which learns from labels.

    Args:
        intensity: factor of the mean distance to the larger source, 1.
        gradient: factor of the mean distance of |gx| + |gy| to the larger one
            of both sources, 10.

    Raises FusionError for images that don't compare, such as a colour vi
    where fused is grey.

    Source: SeAFusion, content loss; numbers from the released code.
    """

    intensity: float = 1.0
    gradient: float = 10.0

    def __post_init__(self):
        check_factors(self, "intensity", "gradient")
        if not self.intensity and not self.gradient:
            raise FusionError("Every factor of the loss is 0: give at least one term a factor.")

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        check_comparable(fused, ir, vi)
        fused, ir, vi = (luminance(image.float()) for image in (fused, ir, vi))
        terms = {
            "intensity": (fused - torch.maximum(ir, vi)).abs().mean(),
            "gradient": strongest(fused, ir, vi),
        }
        # L_content
        return {**terms, "total": sum(getattr(self, name) * term for name, term in terms.items())}
