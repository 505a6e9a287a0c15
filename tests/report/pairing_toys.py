"""A small base of different patches, and what the loss makes of its meetings."""

import torch

from fusionlib.data.base import Base
from fusionlib.losses.windows import blur


def small_base(count: int = 3, side: int = 24) -> Base:
    """Smooth random patches, (count, side, side) of each modality."""
    noise = torch.rand(2, count, side, side, generator=torch.Generator().manual_seed(3))
    smooth = blur(noise, 11, 2.0)
    low, high = smooth.amin((2, 3), keepdim=True), smooth.amax((2, 3), keepdim=True)
    return Base(*(255 * (smooth - low) / (high - low)).to(torch.uint8))
