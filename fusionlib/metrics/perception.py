"""Metrics modelled on human contrast perception: Qcb and Qcv."""

import torch
from torch.nn import functional as F

from fusionlib.metrics.gradients import sobel, squared_length
from fusionlib.metrics.inputs import check_choice, check_images, stacked_levels, stretched
from fusionlib.metrics.safely import ratio
from fusionlib.metrics.sharing import shared
from fusionlib.metrics.windows import bell, frame, whole, window_means

CSF = (15.387, 1.3456, 0.7622)  # Qcb: widths of the two bells, share of the second
SIGMAS = (2.0, 4.0)  # Qcb: contrast is the finer Gaussian's mean over the coarser one's
SATURATION = 1e-4  # Qcb
REACH = 15  # Qcb: pixels that the Gaussians reach to either side
MANNOS = (2.6, 0.0192, 0.144, 1.1)  # Qcv: Mannos and Sakrison's sensitivity
SALIENCY_POWER = 5  # Qcv
BLOCK = 16  # Qcv: side of a region, in pixels


def qcb(fused, ir, vi, frequencies="nyquist", rounded=True):
    """Contrast preservation after Chen and Blum (Qcb).

    Each image, stretched to 0..255, is filtered by the eye's contrast
    sensitivity ``exp(-(r / 15.387)^2) - 0.7622 exp(-(r / 1.3456)^2)``. Its local
    contrast ``C = |G_2 / G_4 - 1|``, from Gaussian blurs of sigma 2 and 4, is
    masked to ``C' = C^3 / (C^2 + 0.0001)``. With the saliency
    ``l = C'_A^2 / (C'_A^2 + C'_B^2)``

        Qcb = mean (l Q_A + (1 - l) Q_B),  Q_S = min(C'_S, C'_F) / max(C'_S, C'_F)

    No unit, from 0 to 1. Pixels of 0 / 0 are left out; where none remains, as in
    constant images, nothing was lost: 1.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Computed in float64
            throughout.
        frequencies: grid of r. "nyquist" is ``hypot(u W / 30, v H / 30)`` with 1
            at the highest frequency; "halved" has 0.5 there.
        rounded: round levels after the stretch. Qcb is not differentiable.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another grid.

    Source: Chen and Blum, "A new automated quality assessment algorithm for
    image fusion", Image and Vision Computing 27, 2009. "nyquist" and rounded is
    Liu's public evaluator, which VIFB uses; IVIF_ZOO halves the frequencies and
    does not round (0.508 and 0.53 on the same MSRS images). Both give NaN, or
    what rounding makes of it, where ours leaves pixels out.
    """
    check_choice("frequencies", frequencies, ("nyquist", "halved"))
    check_images(fused=fused, ir=ir, vi=vi)
    highest = 1 / 30 if frequencies == "nyquist" else 1 / 60
    broad, narrow, share = CSF

    def sensitivity(radius):
        return torch.exp(-((radius / broad) ** 2)) - share * torch.exp(-((radius / narrow) ** 2))

    levels = _filtered(_stretched(fused, ir, vi, rounded), highest, sensitivity)
    framed = frame(levels, REACH)
    fine, coarse = (
        whole(window_means(framed, bell(2 * REACH + 1, sigma)), fused.shape[-1]) for sigma in SIGMAS
    )
    contrast = ratio(fine - coarse, coarse).abs()
    masked = contrast**3 / (contrast**2 + SATURATION)
    kept, sources = masked[:1], masked[1:]
    preserved = torch.minimum(kept, sources) / torch.maximum(kept, sources)
    saliency = sources * sources / (sources * sources).sum(0)
    value = (preserved * saliency).sum(0).nanmean((-2, -1))
    return value.nan_to_num(nan=1.0).to(fused.dtype)


def qcv(fused, ir, vi):
    """Perceived difference from the sources after Chen and Varshney (Qcv).

    The differences between each source and the fused image, all stretched to
    0..255 and rounded, are filtered by the eye's contrast sensitivity
    ``2.6 (0.0192 + 0.144 r) exp(-(0.144 r)^1.1)``. In regions of 16x16 pixels, D
    is their mean square and the saliency s the sum of the source's Sobel
    strengths to the power of 5:

        Qcv = sum (s_A D_A + s_B D_B) / sum (s_A + s_B)

    In squared grey levels, 0 upwards, lower is better; 0 where no source has an
    edge.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Rounded after the
            stretch, so Qcv is not differentiable. Computed in float64.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Chen and Varshney, "A human perception inspired quality metric for
    image fusion based on regional information", Information Fusion 8(2), 2007.
    Grid, filter and regions as in Liu's public evaluator, which VIFB uses:
    ``r = hypot(u W / 8, v H / 8)`` with 1 at the highest frequency, 0.144 where
    Mannos and Sakrison have 0.114, and regions at the right and lower border
    filled up with zeros.
    """
    check_images(fused=fused, ir=ir, vi=vi)
    levels = _stretched(fused, ir, vi, True)
    gain, floor, slope, power = MANNOS

    def sensitivity(radius):
        radius = slope * radius
        return gain * (floor + radius) * torch.exp(-(radius**power))

    difference = _filtered(levels[1:] - levels[:1], 1 / 8, sensitivity)
    strength = squared_length(*sobel(levels[1:])).sqrt()
    saliency = _region_means(strength**SALIENCY_POWER)
    total = (saliency * _region_means(difference * difference)).sum((0, -2, -1))
    return ratio(total, saliency.sum((0, -2, -1))).to(fused.dtype)


@shared
def _stretched(fused, ir, vi, rounded):
    # (3, B, H, W) in float64, each image from 0 to 255, rounded as Matlab does.
    levels = stretched(stacked_levels(fused, ir, vi).double())
    return (levels + 0.5).floor() if rounded else levels


def _filtered(maps, highest, sensitivity):
    # Multiplies the spectrum; `highest` is r at the highest frequency of a 1-pixel-wide image.
    height, width = maps.shape[-2:]
    options = {"dtype": maps.dtype, "device": maps.device}
    v = torch.fft.fftfreq(height, **options) * (2 * height * highest)
    u = torch.fft.rfftfreq(width, **options) * (2 * width * highest)
    spectrum = torch.fft.rfft2(maps) * sensitivity(torch.hypot(v.unsqueeze(1), u))
    return torch.fft.irfft2(spectrum, s=(height, width))


def _region_means(maps):
    height, width = maps.shape[-2:]
    maps = F.pad(maps, (0, -width % BLOCK, 0, -height % BLOCK))
    return F.avg_pool2d(maps, BLOCK)
