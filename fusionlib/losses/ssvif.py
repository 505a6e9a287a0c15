"""The fusion loss of SSVIF (Eq. 3): what a fused image should hold.

What its second objective asks, that two segmentations agree, is in
`consistency.py`; how the two are balanced is in `balancing.py`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.images import rgb_to_ycbcr
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.cddfuse import strongest
from fusionlib.losses.channels import check_comparable
from fusionlib.losses.factors import check_factors


@dataclass(frozen=True)
class SSVIFLoss:
    """L = intensity L_int + gradient L_grad + ssim L_ssim + colour L_color.

    `terms = loss(fused, ir, vi)` takes (B, C, H, W) in [0, 1], C of them 1 or
    3, and returns scalars: the terms without their factors, and `total`. A
    grey ir (B, 1, H, W) is replicated. Grey images have no colour: there the
    term `colour` is 0.

    Args:
        intensity: lambda_1, of the mean distance to the larger source.
        gradient: lambda_2, of the mean distance of |gx| + |gy| to the larger
            one of both sources, channel by channel.
        ssim: lambda_3, of 1 - SSIM, the mean over both sources.
        colour: lambda_4, of the mean distance of Cb and Cr to the visible
            image's.

    Raises FusionError for images that don't compare, such as a colour vi
    where fused is grey.

    Source: SSVIF, Eq. 3, section III-D and appendix B-A. Inferred: means over
    channels, too, where the paper divides by HW; Sobel filters that see black
    outside the image, as SwinFusion's, whose factors these are; SSIM in
    Gaussian windows of 11 x 11 (sigma 1.5, constants 0.01 and 0.03, mirrored
    border) of each channel; chroma of full-range BT.601.
    """

    intensity: float = 20.0
    gradient: float = 20.0
    ssim: float = 10.0
    colour: float = 20.0

    def __post_init__(self):
        check_factors(self, "intensity", "gradient", "ssim", "colour")
        if not any((self.intensity, self.gradient, self.ssim, self.colour)):
            raise FusionError("Every factor of the loss is 0: give at least one term a factor.")

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        check_comparable(fused, ir, vi)
        fused, ir, vi = fused.float(), ir.float(), vi.float()
        # The four terms of section III-D
        terms = {
            "intensity": (fused - torch.maximum(ir, vi)).abs().mean(),
            "gradient": strongest(fused, ir, vi),
            "ssim": 1 - ssim_map(torch.stack((ir.expand_as(vi), vi)), fused).mean(),
            "colour": colour(fused, vi),
        }
        # Eq. 3
        return {**terms, "total": sum(getattr(self, name) * term for name, term in terms.items())}


def colour(fused: Tensor, vi: Tensor) -> Tensor:
    """Mean distance of Cb and of Cr, (B, 3, H, W); 0 of grey (B, 1, H, W)."""
    if fused.shape[1] == 1:
        return fused.new_zeros(())
    # L_color
    return (rgb_to_ycbcr(fused) - rgb_to_ycbcr(vi))[:, 1:].abs().mean()
