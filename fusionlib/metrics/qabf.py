"""Edge transfer from the sources to the fused image: Qabf."""

import math

import torch
from torch.nn import functional as F

from fusionlib.metrics.inputs import check_images

# Constants of the two sigmoids: ceiling, steepness and centre.
STRENGTH = (0.9994, 15.0, 0.5)
ORIENTATION = (0.9879, 22.0, 0.8)


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
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Xydeas and Petrovic, "Objective image fusion performance measure",
    Electronics Letters 36(4), 2000, with L = 1. Public evaluators agree to 1e-4
    and share three habits kept here: the orientation is +pi/2 wherever sx = 0,
    orientations are compared without wrapping round, and where g_S = g_F the
    strength kept is g_F itself (0 without an edge, otherwise as good as 1).
    """
    check_images(fused=fused, ir=ir, vi=vi)
    strength, orientation = _edges(torch.stack([fused, ir, vi]).squeeze(2) * 255)
    fused_strength, strength = strength[:1], strength[1:]
    larger = torch.maximum(fused_strength, strength)
    ratio = torch.minimum(fused_strength, strength) / torch.where(larger > 0, larger, 1)
    ratio = torch.where(fused_strength == strength, fused_strength, ratio)
    alignment = 1 - (orientation[1:] - orientation[:1]).abs() / (math.pi / 2)
    kept = _sigmoid(ratio, *STRENGTH) * _sigmoid(alignment, *ORIENTATION)
    kept, present = (kept * strength).sum((0, 2, 3)), strength.sum((0, 2, 3))
    return kept / torch.where(present > 0, present, 1)


def _edges(images):
    # Differences come before sums, so that sx is exactly 0 in flat regions of any level. Signs
    # are those of the public evaluators; the +pi/2 where sx = 0 makes the result depend on them.
    x = F.pad(images, (1, 1, 1, 1))
    across = x[..., :-2] - x[..., 2:]
    down = x[..., 2:, :] - x[..., :-2, :]
    sx = across[..., :-2, :].add(across[..., 1:-1, :], alpha=2) + across[..., 2:, :]
    sy = down[..., :-2].add(down[..., 1:-1], alpha=2) + down[..., 2:]
    orientation = torch.atan(sy / torch.where(sx == 0, 1, sx))
    return torch.addcmul(sx * sx, sy, sy).sqrt(), torch.where(sx == 0, math.pi / 2, orientation)


def _sigmoid(x, ceiling, steepness, centre):
    return ceiling * torch.sigmoid(steepness * (x - centre))
