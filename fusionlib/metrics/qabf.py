"""Edge transfer from the sources to the fused image: Qabf."""

import math

import torch

from fusionlib.metrics.gradients import sobel, squared_length
from fusionlib.metrics.inputs import check_images, grey_levels
from fusionlib.metrics.safely import is_zero, ratio, root

# Constants of the two sigmoids: ceiling, steepness and centre.
STRENGTH = (0.9994, 15.0, 0.5)
ORIENTATION = (0.9879, 22.0, 0.8)
_UPRIGHT = 1e30  # a slope whose arc tangent is pi/2


def qabf(fused, ir, vi):
    """How much of both sources' edges the fused image keeps (Qabf).

    From 3x3 Sobel gradients (borders padded with zeros) come an edge's strength
    ``g = sqrt(sx^2 + sy^2)`` and orientation ``a = atan(sy / sx)``. For each
    source S, the strength kept ``G = min(g_S, g_F) / max(g_S, g_F)`` and the
    orientation kept ``A = 1 - |a_S - a_F| / (pi / 2)`` give

        Q_SF = 0.9994 / (1 + exp(-15 (G - 0.5)))
             * 0.9879 / (1 + exp(-22 (A - 0.8)))
        Qabf = sum(Q_IF g_I + Q_VF g_V) / sum(g_I + g_V)

    No unit, from 0 to 0.975; 0 where no source has an edge.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1], scored on the 0..255
            scale, unrounded.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Xydeas and Petrovic, "Objective image fusion performance measure",
    Electronics Letters 36(4), 2000, with L = 1. Public evaluators agree to 1e-4
    and share three habits kept here: the orientation is +pi/2 wherever sx = 0,
    orientations are compared without wrapping round, and where g_S = g_F the
    strength kept is g_F itself (0 without an edge, otherwise as good as 1).
    """
    check_images(fused=fused, ir=ir, vi=vi)
    kept_edge, kept_angle = _edges(grey_levels(fused))
    kept = present = 0
    for source in (ir, vi):
        edge, angle = _edges(grey_levels(source))
        larger, smaller = torch.maximum(edge, kept_edge), torch.minimum(edge, kept_edge)
        equal = is_zero(larger - smaller)  # which keeps 0 / 0 out as well
        strength = torch.lerp(smaller / (larger + equal), kept_edge, equal)
        orientation = (angle - kept_angle).abs_().mul_(-2 / math.pi).add_(1)
        quality = _sigmoid(strength, *STRENGTH) * _sigmoid(orientation, *ORIENTATION)
        kept = kept + quality.mul_(edge).sum((-2, -1))
        present = present + edge.sum((-2, -1))
    return STRENGTH[0] * ORIENTATION[0] * ratio(kept, present)


def _edges(levels):
    # Signs are those of the public evaluators; the +pi/2 where sx = 0 makes the result depend on
    # them. Sobel's differences are exactly 0 in flat regions of any level.
    sx, sy = sobel(levels)
    upright = is_zero(sx)
    slope = (sy / (sx + upright)).add_(upright, alpha=_UPRIGHT)
    return root(squared_length(sx, sy)), slope.atan_()


def _sigmoid(x, ceiling, steepness, centre):
    # In place of `x`, and without the ceiling, by which the sums are multiplied.
    return x.sub_(centre).mul_(steepness).sigmoid_()
