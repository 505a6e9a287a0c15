"""Grey and colour in losses: which images compare, and their luminance."""

from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.images import rgb_to_ycbcr


def check_comparable(fused: Tensor, ir: Tensor, vi: Tensor) -> None:
    """See that a loss can compare the three; a FusionError names what does not fit.

    fused: (B, C, H, W), C is 1 or 3; vi of the same shape; ir of the same
    shape, or of one channel, which then stands for all.
    """
    batch, channels, *size = fused.shape
    if channels not in (1, 3):
        raise FusionError(f"fused has 1 channel or 3, grey or RGB, not {channels}.")
    if vi.shape != fused.shape:
        raise FusionError(
            f"vi has the shape {tuple(vi.shape)} and fused {tuple(fused.shape)}: give visible"
            " images of the channels and the size that the model fuses."
        )
    if ir.shape not in (fused.shape, (batch, 1, *size)):
        raise FusionError(
            f"ir has the shape {tuple(ir.shape)} beside fused {tuple(fused.shape)}: give infrared"
            " images of that size, of 1 channel or as many."
        )


def luminance(image: Tensor) -> Tensor:
    """Y of full-range BT.601, (B, 1, H, W), of grey or RGB (B, C, H, W)."""
    return rgb_to_ycbcr(image)[:, :1] if image.shape[1] == 3 else image
