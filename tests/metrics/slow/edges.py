"""SF, AG, EI and Qabf by NumPy and SciPy."""

import math

import numpy as np
from scipy import ndimage
from scipy.signal import convolve2d


def sf(fused, ir, vi, divisor="differences"):
    squares = [np.diff(fused, axis=axis) ** 2 for axis in (0, 1)]
    return math.sqrt(
        sum(x.sum() / (fused.size if divisor == "pixels" else x.size) for x in squares)
    )


def ag(fused, ir, vi, divisor="pixels"):
    down, across = np.gradient(fused)
    height, width = fused.shape
    count = (height - 1) * (width - 1) if divisor == "inner" else height * width
    return (np.hypot(down, across) / math.sqrt(2)).sum() / count


def ei(fused, ir, vi, padding="replicate"):
    mode = {"replicate": "nearest", "zeros": "constant"}[padding]
    return np.hypot(*(ndimage.sobel(fused, axis, mode=mode) for axis in (0, 1))).mean()


def qabf(fused, ir, vi):
    (edges_f, angle_f), *sources = (_sobel(image) for image in (fused, ir, vi))
    kept = present = 0.0
    for edges, angle in sources:
        with np.errstate(invalid="ignore"):
            strength = np.minimum(edges, edges_f) / np.maximum(edges, edges_f)
        same = edges == edges_f
        strength[same] = edges_f[same]
        direction = 1 - np.abs(angle - angle_f) / (np.pi / 2)
        kept_strength = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
        kept_direction = 0.9879 / (1 + np.exp(-22 * (direction - 0.8)))
        kept += (edges * kept_strength * kept_direction).sum()
        present += edges.sum()
    return kept / present if present else 0.0


def _sobel(image):
    x = convolve2d(image, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="same")
    y = convolve2d(image, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], mode="same")
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.where(x == 0, np.pi / 2, np.arctan(y / x))
    return np.hypot(x, y), angle
