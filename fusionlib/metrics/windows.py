"""Weighted means over a sliding window, for the metrics that need local moments.

The windows are separable, so a 2-D mean is two 1-D ones. Each 1-D mean is a
product with a banded matrix, block by block: on a CPU this is ten times as
fast as `conv2d` with a single channel.

Everything here is float64 whatever the images are. A local variance is a small
difference of large numbers (on a 0..255 scale a flat sky has mean square
60,000 and SSIM's constant is 0.0036), and float64 is also the one dtype that
neither autocast nor TF32 replaces behind our back. Apple's MPS devices lack it.
"""

import torch
from torch.nn import functional as F

_BLOCK = 16  # outputs a block: smaller ones make slow products, larger ones multiply more zeros


def uniform(size):
    """Equal weights that sum to 1: float64 tensor (size,)."""
    return torch.full((size,), 1 / size, dtype=torch.float64)


def gaussian(size, sigma):
    """Normal weights around the middle that sum to 1: float64 tensor (size,).

    `sigma` is the standard deviation in pixels.
    """
    offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return weights / weights.sum()


def window_means(maps, weights):
    """Mean of each map over every window that lies wholly inside it.

    Args:
        maps: list of tensors (..., H, W), all with the same H and W, at least
            the window's size k.
        weights: (k,), the window's weights along either axis.

    Returns:
        list of float64 tensors (..., H - k + 1, W - k + 1), one a map.
    """
    size = len(weights)
    height, width = maps[0].shape[-2:]
    band = _band(weights.to(maps[0].device))
    span = band.shape[1]
    # All maps stand on one another as one tall image, so that one product serves them all. Windows
    # over a seam mean nothing; they are the last size - 1 of each map's rows and are dropped.
    counts = [m[..., 0, 0].numel() for m in maps]
    rows = sum(counts) * height
    below = maps[0].new_zeros(-rows % _BLOCK + span, width, dtype=torch.float64)
    tall = torch.cat([m.double().reshape(-1, width) for m in maps] + [below])
    blocks = tall.unfold(0, span, _BLOCK).mT
    tall = torch.bmm(band.expand(len(blocks), -1, -1), blocks).flatten(0, 1)
    # The same along the width. A block beyond a row's end runs on into the next row, which there
    # always is; these columns are dropped too.
    blocks = -(-(width - size + 1) // _BLOCK)
    wide = tall.as_strided((blocks, span, rows), (_BLOCK, 1, width))
    means = torch.bmm(band.expand(blocks, -1, -1), wide).flatten(0, 1).mT
    means = means.unflatten(0, (-1, height))[:, : height - size + 1, : width - size + 1]
    return [
        part.unflatten(0, m.shape[:-2]) for part, m in zip(means.split(counts), maps, strict=True)
    ]


def _band(weights):
    # (outputs, inputs) of one block: row i holds the weights shifted right by i. Repeating them
    # with a period one longer than a row gives that.
    span = _BLOCK + len(weights) - 1
    return F.pad(weights, (0, _BLOCK)).repeat(_BLOCK)[: _BLOCK * span].view(_BLOCK, span)
