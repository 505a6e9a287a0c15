"""Visual information fidelity of the fused image: VIF."""

import torch
from torch.nn import functional as F

from fusionlib.metrics.inputs import check_choice, check_images, stacked_levels
from fusionlib.metrics.safely import ratio
from fusionlib.metrics.windows import (
    frame,
    gaussian,
    local_moments,
    total,
    whole,
    window_means,
)

WINDOW_SIZES = (17, 9, 5, 3)  # one a scale, finest first
SIGMA_PER_SIZE = 1 / 5  # the Gaussian's standard deviation, as a fraction of the window
NOISE_VARIANCE = 2.0  # of the observer, on a 0..255 scale
FLAT = 1e-10  # a variance below this is none
SMALLEST = 41  # side that leaves one 3x3 window at the coarsest scale


def vif(fused, ir, vi, padding="none", centred=True):
    """Visual information fidelity (VIF), pixel domain, summed over both sources.

    ``VIF = VIFP(ir, fused) + VIFP(vi, fused)``. VIFP compares what an observer
    with noise of variance n = 2 can tell about a source S from the fused image F
    and from S itself. With the local gain ``g = cov(S, F) / var(S)`` and the
    remainder ``v = var(F) - g cov(S, F)`` in Gaussian windows,

        VIFP = sum log(1 + g^2 var(S) / (v + n)) / sum log(1 + var(S) / n)

    where both sums run over all pixels of 4 scales (windows of 17, 9, 5, 3
    pixels, sigma a fifth of that; between scales the images are smoothed with
    the next window and every second pixel is kept). No unit; 0 upwards, 2 when
    both sources are fully kept; contrast enhancement may exceed that. A flat
    source has nothing to lose: its VIFP is 1.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1], at least 41x41.
            Scored on the 0..255 scale, unrounded. Local moments are taken in
            float64, the rest in the images' dtype.
        padding: "none", windows wholly inside the image; "zeros", a window
            around every pixel, with zeros beyond the border.
        centred: False samples the Gaussian up to a pixel off its window's
            middle, and somewhat narrower.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range, or too small;
            another padding.

    Source: Sheikh and Bovik, "Image information and visual quality", IEEE TIP
    15(2), 2006 (the authors' pixel-domain VIFP); summed over sources as in the
    evaluators of CDDFuse and of Tang. IVIF_ZOO pads with zeros and puts its
    Gaussian off centre (``padding="zeros", centred=False``): 4 to 6.5 % more.
    """
    check_choice("padding", padding, ("none", "zeros"))
    check_images(SMALLEST, fused=fused, ir=ir, vi=vi)
    maps, kept, present = stacked_levels(fused, ir, vi), 0, 0
    for scale, size in enumerate(WINDOW_SIZES):
        weights = gaussian(size, size * SIGMA_PER_SIZE, centred)
        edge = size // 2 if padding == "zeros" else 0
        if scale == 0 or edge:  # else the frame of the scale before will do
            framed = frame(maps, edge)
        if scale > 0:
            width = (framed.width - size) // 2 + 1
            maps = whole(window_means(framed, weights, stride=2), width)
            framed = frame(maps, edge)
        kept_here, present_here = _information(framed, weights, fused.dtype)
        kept, present = kept + kept_here, present + present_here
    # Where there is nothing to keep, both sums are 0 and all of it is kept.
    return torch.where(present > 0, ratio(kept, present), 1).sum(0)


def _information(framed, weights, dtype):
    # Maps of fused, ir, vi -> (2, B) each: kept by the fused image, present in the source.
    variances, covariances = (x.to(dtype) for x in local_moments(framed, weights)[1:])
    source = F.threshold(variances[1:], FLAT, 0.0)
    # g^2 var(S) is cov^2 / var(S); nothing is kept where the fused image is inverted.
    covariances = covariances.clamp_min(0)
    gained = (covariances * covariances).div_(source + FLAT)
    remainder = (variances[:1] - gained).clamp_min_(0)
    kept = torch.log1p(gained / remainder.add_(NOISE_VARIANCE))
    present = torch.log1p(source / NOISE_VARIANCE)
    width = framed.width - len(weights) + 1
    return total(kept, width), total(present, width)
