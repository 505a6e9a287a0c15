"""The loss of TGFuse's generator (Rao et al., TIP 2023).

Every window of the fused image is to look like the same window of the source
that varies more in it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.factors import check_factors
from fusionlib.losses.vgg import load_vgg
from fusionlib.losses.windows import blur

FORMS = ("released", "paper")
VI_TAP, IR_TAP = (1, 2), (3, 3)  # relu1_2 and relu3_3, what the discriminators compare


def variance(x: Tensor) -> Tensor:
    """Variance in the Gaussian window of every pixel: (B, 1, H, W), >= 0."""
    mean, square = blur(torch.stack((x, x * x)))
    return (square - mean * mean).clamp_min(0)


@dataclass(frozen=True)
class TGFuseLoss:
    """L = ssim L_ssim + distance L_features; `terms = loss(fused, ir, vi)`.

    (B, 1, H, W) in [0, 1]; returns scalars, the terms without their factors,
    and `total`.

    Args:
        ssim: factor of 1 - SSIM to the source of larger local variance, 1.
        distance: factor of what the discriminators measure, the mean distance
            of VGG16's relu1_2 to the visible image's and of its relu3_3 to the
            infrared image's. Inferred, as here their VGG16 does not learn.
        vgg16: a file of ImageNet weights (torchvision's state dict; its path
            is part of a run's key). None, the default, leaves `distance` out.
        form: "released" or "paper". Note on paper and code: the released
            training makes a new Adam for every batch, so that a weight moves
            by the learning rate whatever its gradient's size, and no loss of
            the discriminators reaches the generator: without `vgg16` this is
            the whole of its objective. "paper" keeps one Adam.

    Source: TGFuse; windows of 11 x 11 from the released code.
    Inferred: that they are Gaussian, for SSIM and for the variance.
    """

    ssim: float = 1.0
    distance: float = 1.0
    vgg16: str | None = None
    form: str = "released"

    def __post_init__(self):
        check_factors(self, "ssim", "distance")
        object.__setattr__(self, "vgg16", str(self.vgg16) if self.vgg16 else None)
        if self.form not in FORMS:
            raise FusionError(f"The loss has form 'released' or 'paper', not {self.form!r}.")
        if not self.ssim and not (self.vgg16 and self.distance):
            raise FusionError("Every factor of the loss is 0: give at least one term a factor.")

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        fused, ir, vi = fused.float(), ir.float(), vi.float()
        terms = {}
        if self.ssim:
            of_ir, of_vi = ssim_map(torch.stack((ir, vi)), fused)
            terms["ssim"] = 1 - torch.where(variance(ir) > variance(vi), of_ir, of_vi).mean()
        if self.distance and self.vgg16:
            terms["distance"] = self.distance_term(fused, ir, vi)
        return {**terms, "total": sum(getattr(self, name) * term for name, term in terms.items())}

    def distance_term(self, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
        """What both discriminators measure, summed."""
        vgg = load_vgg(self.vgg16, "vgg16", fused.device)
        near_vi, near_ir = vgg(fused, (VI_TAP, IR_TAP))
        with torch.no_grad():
            (of_vi,), (of_ir,) = vgg(vi, (VI_TAP,)), vgg(ir, (IR_TAP,))
        return (near_vi - of_vi).abs().mean() + (near_ir - of_ir).abs().mean()
