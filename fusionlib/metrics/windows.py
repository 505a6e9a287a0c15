"""Weighted means over a sliding window, and the local moments made of them.

The windows are separable, so a 2-D mean is two 1-D ones. Each 1-D mean is a
product with a banded matrix, block by block: on a CPU this is ten times as
fast as `conv2d` with a single channel.

A local variance is a small difference of large numbers: on a 0..255 scale a
flat sky has mean square 60,000, and SSIM's constant is 0.0036. So moments are
taken in float64, the one dtype that neither autocast nor TF32 replaces behind
our back; Apple's MPS devices lack it. (With moments in float32, VIF is off by
up to 2e-4 on real images: its remainder is a difference once more, cut at 0.)
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch.nn import functional as F

from fusionlib.metrics.sharing import shared

_BLOCK = 16  # outputs a block: smaller ones make slow products, larger ones multiply more zeros
_STRIDE = 2  # the longest one


class Framed(NamedTuple):
    """Float64 maps (H + margin, ..., W + margin), and the H and W inside.

    Rows come first: maps lie side by side, and one product takes all their
    columns. The margin, below and right, lets the last block run over the edge
    and makes the width a multiple of 32, so that maps begin where blocks do.
    """

    maps: torch.Tensor
    height: int
    width: int


@lru_cache
@torch.inference_mode(False)  # what is kept must also serve where gradients are wanted
def uniform(size):
    """Equal weights that sum to 1: float64 tensor (size,)."""
    return torch.full((size,), 1 / size, dtype=torch.float64)


@lru_cache
@torch.inference_mode(False)
def gaussian(size, sigma, centred=True):
    """Normal weights that sum to 1: float64 tensor (size,).

    `sigma` is the standard deviation in pixels. Not centred, the bell is sampled
    at `size` points from -(size + 1) / 2 to (size - 1) / 2, as IVIF_ZOO does.
    """
    left = -(size - 1) / 2 if centred else -(size + 1) / 2
    offset = torch.linspace(left, (size - 1) / 2, size, dtype=torch.float64)
    weights = torch.exp(-(offset**2) / (2 * sigma**2))
    return weights / weights.sum()


@lru_cache
@torch.inference_mode(False)
def bell(size, sigma):
    """The normal density at the pixels: float64 tensor (size,), sum just below 1."""
    offset = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-(offset**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))


def frame(maps, edge=0):
    """Frame maps (..., H, W), with `edge` zeros on every side."""
    return _frame(maps, edge)


@shared
def _frame(maps, edge):
    *rest, height, width = maps.shape
    sides = height + 2 * edge, width + 2 * edge
    margin = _BLOCK * _STRIDE
    shape = (sides[0] + margin, *rest, sides[1] + margin + -sides[1] % margin)
    framed = maps.new_zeros(shape, dtype=torch.float64)
    framed[edge : edge + height, ..., edge : edge + width] = maps.movedim(-2, 0)
    return Framed(framed, *sides)


def window_means(framed, weights, stride=1):
    """Mean of each map over every window that lies wholly inside it.

    Args:
        framed: maps of H x W pixels, at least the window's size k.
        weights: (k,), the window's weights along either axis.
        stride: 1 or 2, pixels from one window to the next.

    Returns:
        float64 tensor (..., h, blocks, 16): h rows of w means, cut into blocks,
        with h = (H - k) // stride + 1 and w alike. What fills the last block
        beyond w means nothing; `whole` and `total` leave it out. Rows in one
        piece would cost a copy.
    """
    maps, *sides = framed
    height, width = ((side - len(weights)) // stride + 1 for side in sides)
    band = _band(weights, stride, maps.device)
    span, step = band.shape[1], _BLOCK * stride
    # Down the columns of all maps,
    blocks = (height - 1) // _BLOCK + 1
    down = maps.flatten(1).unfold(0, span, step)[:blocks].mT
    down = torch.bmm(band.expand(blocks, -1, -1), down)
    # and along the rows of all maps, each as one long row. Blocks over a seam mean nothing.
    along = down.flatten(0, 1).unfold(1, span, step).transpose(0, 1)
    along = torch.bmm(along, band.mT.expand(len(along), -1, -1))
    block = along.shape[1] * _BLOCK
    pitch = maps.shape[-1] // step * block  # from one map to the next
    count, blocks = math.prod(maps.shape[1:-1]), (width - 1) // _BLOCK + 1
    means = along.as_strided((count, height, blocks, _BLOCK), (pitch, _BLOCK, block, 1))
    return means.unflatten(0, maps.shape[1:-1])


def whole(blocks, width):
    """Maps (..., h, width) of maps in blocks (..., h, blocks, 16)."""
    return blocks.flatten(-2)[..., :width]


def total(blocks, width):
    """Sums (...) over maps in blocks (..., h, blocks, 16) that are `width` wide."""
    full, rest = divmod(width, _BLOCK)
    sums = blocks[..., :full, :].sum((-3, -2, -1))
    return sums + blocks[..., full:, :rest].sum((-3, -2, -1)) if rest else sums


def local_moments(framed, weights):
    """Moments of the first map, and its moments with each of the others.

    Args:
        framed: maps (1 + n, ..., H, W), framed.
        weights: the window, as for `window_means`.

    Returns:
        means (1 + n, ...), variances (1 + n, ...) and covariances (n, ...) with
        the first map, over every window that lies inside; in blocks, as from
        `window_means`.
    """
    maps = framed.maps
    means = window_means(framed, weights)
    squares = window_means(framed._replace(maps=maps * maps), weights)
    products = window_means(framed._replace(maps=maps[:, :1] * maps[:, 1:]), weights)
    variances = squares.addcmul_(means, means, value=-1)
    covariances = products.addcmul_(means[:1], means[1:], value=-1)
    return means, variances, covariances


@lru_cache
@torch.inference_mode(False)
def _band(weights, stride, device):
    # (outputs, inputs) of one block: row i holds the weights shifted right by i strides.
    rows = [F.pad(weights, (i * stride, (_BLOCK - 1 - i) * stride)) for i in range(_BLOCK)]
    return torch.stack(rows).to(device)
