"""Colour difference between the fused and the visible image: ΔE."""

import math

import torch

from fusionlib.metrics.inputs import check_images
from fusionlib.metrics.safely import is_zero, root

# Rows of linear sRGB to XYZ, and D65's white for the 2 degree observer, as scikit-image has them.
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)


def delta_e(fused, ir, vi):
    """Colour difference of the fused image from the visible one (ΔE).

    The mean over pixels of CIEDE2000, from sRGB by way of Lab under D65 and the
    2 degree observer. In just noticeable differences, about 1 to an eye, from 0
    to some 100; lower is closer.

    Args:
        fused, vi: float RGB tensors (B, 3, H, W) in [0, 1].
        ir: not used; there so that all metrics are called alike.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable, but for the
        formula's own jumps at opposite hues.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color
    Research and Application 30(1), 2005; over fused images as in SSVIF.
    """
    check_images(channels=3, fused=fused, vi=vi)
    return ciede2000(lab(fused), lab(vi)).mean((-2, -1))


def lab(rgb):
    """CIE Lab (B, 3, H, W) of sRGB (B, 3, H, W) in [0, 1]: L from 0 to 100."""
    steep = ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    linear = torch.where(rgb > 0.04045, steep, rgb / 12.92)
    # Written out, because a product of matrices would be bfloat16 under autocast.
    r, g, b = linear.unbind(1)
    rows = zip(TO_XYZ, WHITE, strict=True)
    xyz = torch.stack([(wr * r + wg * g + wb * b) / white for (wr, wg, wb), white in rows], 1)
    # The cube root's line near black; its slope at 0 is kept out of the gradient.
    knee = (6 / 29) ** 3
    curve = xyz.clamp_min(knee) ** (1 / 3)
    x, y, z = torch.where(xyz > knee, curve, xyz * (29 / 6) ** 2 / 3 + 4 / 29).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def ciede2000(first, second):
    """CIEDE2000 of two Lab images (B, 3, H, W): (B, H, W).

    Numbers of equations are those of Sharma, Wu and Dalal (2005).
    """
    (l1, a1, b1), (l2, a2, b2) = first.unbind(1), second.unbind(1)
    # Eq. 2-7: greys are shifted apart from a*.
    mean_c = (_length(a1, b1) + _length(a2, b2)) / 2
    stretch = 1.5 - _saturation(mean_c) / 2
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)
    coloured = 1 - is_zero(c1 * c2)
    # Eq. 10: the shorter way round; 0 where one of them has no hue.
    turn = h2 - h1
    turn = (turn - 360 * (turn > 180).to(turn) + 360 * (turn < -180).to(turn)) * coloured
    # Eq. 8, 9, 11
    dl, dc = l2 - l1, c2 - c1
    dh = 2 * root(c1 * c2) * _sin(turn / 2)
    # Eq. 12-14: means; of hues along the shorter way, their sum where one has none.
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    total = h1 + h2
    around = ((h1 - h2).abs() > 180).to(total) * coloured
    mean_h = (total + 360 * around * torch.where(total < 360, 1, -1)) / 2
    mean_h = torch.where(coloured > 0, mean_h, total)
    # Eq. 15-21
    t = (
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.20 * _cos(4 * mean_h - 63)
    )
    rotation = -2 * _saturation(mean_c) * _sin(60 * torch.exp(-(((mean_h - 275) / 25) ** 2)))
    off_middle = (mean_l - 50) ** 2
    dl = dl / (1 + 0.015 * off_middle / (20 + off_middle).sqrt())
    dc = dc / (1 + 0.045 * mean_c)
    dh = dh / (1 + 0.015 * mean_c * t)
    # Eq. 22
    return root((dl * dl + dc * dc + dh * dh + rotation * dc * dh).clamp_min(0))


def _length(a, b):
    return root(a * a + b * b)


def _hue(a, b):
    # Degrees from 0 to 360; the slope of atan2 at the origin is kept out of the gradient.
    origin = is_zero(a) * is_zero(b)
    return torch.rad2deg(torch.atan2(b, a + origin)) % 360


def _saturation(c):
    power = (c / 25) ** 7
    return root(power / (power + 1))


def _sin(degrees):
    return torch.sin(degrees * (math.pi / 180))


def _cos(degrees):
    return torch.cos(degrees * (math.pi / 180))
