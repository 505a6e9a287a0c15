"""What several models share: padding to a size that an architecture takes."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(
    ir: Tensor, vi: Tensor, multiple: int
) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """Pad both images below and to the right, and say how to crop the result.

    Args:
        ir, vi: (B, C, H, W).
        multiple: H and W become the next multiples of it. The border is
            mirrored; where the image is smaller than the padding, repeated.

    Returns: padded ir, padded vi, and a function that crops (B, C, H', W')
    back to (B, C, H, W).
    """
    height, width = ir.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return ir, vi, lambda fused: fused
    mode = "reflect" if bottom < height and right < width else "replicate"
    pad = (0, right, 0, bottom)
    return F.pad(ir, pad, mode), F.pad(vi, pad, mode), lambda fused: fused[..., :height, :width]
