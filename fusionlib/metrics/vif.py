"""Visual information fidelity of the fused image: VIF."""

import torch

from fusionlib.metrics.inputs import check_images
from fusionlib.metrics.windows import gaussian, window_means

WINDOW_SIZES = (17, 9, 5, 3)  # one a scale, finest first
SIGMA_PER_SIZE = 1 / 5  # the Gaussian's standard deviation, as a fraction of the window
NOISE_VARIANCE = 2.0  # of the observer, on a 0..255 scale
FLAT = 1e-10  # a variance below this is none
SMALLEST = 41  # side that leaves one 3x3 window at the coarsest scale


def vif(fused, ir, vi):
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

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range, or too small.

    Source: Sheikh and Bovik, "Image information and visual quality", IEEE TIP
    15(2), 2006 (the authors' pixel-domain VIFP); summed over sources as in the
    evaluators of CDDFuse and of Tang. IVIF_ZOO pads with zeros and puts its
    Gaussian off centre, which gives 4 to 6.5 % more.
    """
    check_images(SMALLEST, fused=fused, ir=ir, vi=vi)
    images = torch.stack([fused, ir, vi]).squeeze(2) * 255
    kept = total = 0
    for scale, size in enumerate(WINDOW_SIZES):
        weights = gaussian(size, size * SIGMA_PER_SIZE)
        if scale > 0:
            images = window_means([images], weights)[0][..., ::2, ::2]
        kept_here, total_here = _information(images, weights, fused.dtype)
        kept, total = kept + kept_here, total + total_here
    # Dividing by 1 where there is nothing to divide keeps gradients finite.
    fidelity = torch.where(total > 0, kept / torch.where(total > 0, total, 1), 1)
    return fidelity.sum(0)


def _information(images, weights, dtype):
    # (3, B, H, W) as fused, ir, vi -> (2, B) each: kept by the fused image, present in the source.
    x = images.double()
    means, squares, products = window_means([x, x * x, x[:1] * x[1:]], weights)
    variances = torch.addcmul(squares, means, means, value=-1).to(dtype)
    covariance = torch.addcmul(products, means[:1], means[1:], value=-1).to(dtype)
    fused, source = variances[:1].clamp_min(0), variances[1:]
    source = torch.where(source < FLAT, 0, source)
    # No gain where either image is flat or where the fused image inverts the source.
    covariance = torch.where((source > 0) & (fused >= FLAT), covariance, 0).clamp_min(0)
    shared = covariance * covariance / (source + FLAT)
    kept = torch.log1p(shared / ((fused - shared).clamp_min(0) + NOISE_VARIANCE))
    present = torch.log1p(source / NOISE_VARIANCE)
    return kept.sum((-2, -1)), present.sum((-2, -1))
