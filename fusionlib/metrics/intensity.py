"""Metrics of grey levels pixel by pixel: SD, MSE, PSNR, CC and SCD."""

import torch

from fusionlib.metrics.inputs import check_images, check_positive, grey_levels, stacked_levels
from fusionlib.metrics.safely import is_zero, ratio, root
from fusionlib.metrics.sharing import shared

# A variance below this share of the numbers that it is a difference of is nothing but rounding.
_ROUNDING = 1e-13


def sd(fused, ir=None, vi=None):
    """Standard deviation of the fused image (SD).

    ``SD = sqrt(mean (F - mean F)^2)``. In grey levels, from 0 (flat) to 127.5
    (half black, half white); higher means more contrast.

    Args:
        fused: float tensor (B, 1, H, W) in [0, 1]. Scored on the 0..255 scale,
            unrounded.
        ir, vi: not used; there so that all metrics are called alike.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Rao, "In-fibre Bragg grating sensors", Measurement Science and
    Technology 8(4), 1997, which the field cites for it. Public evaluators agree.
    """
    check_images(optional=("ir", "vi"), fused=fused, ir=ir, vi=vi)
    return root(grey_levels(fused).flatten(1).var(-1, correction=0))


def mse(fused, ir, vi, data_range=255.0):
    """Mean squared error to both sources (MSE), lower is closer.

    ``MSE = (mean (F - A)^2 + mean (F - B)^2) / 2``. In squared grey levels, from
    0 (both sources equal the fused image) to 255^2.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1].
        data_range: the scale that images are put on: 255, or 1 as in IVIF_ZOO
            and Tang's evaluator (65,025 times less).

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; a range that is
            not positive.

    Source: as in the evaluator of CDDFuse. VIFB's value of this name is the root
    of the summed error over the number of pixels, which means nothing.
    """
    check_positive("data_range", data_range)
    check_images(fused=fused, ir=ir, vi=vi)
    return _squared_error(fused, ir, vi) * (data_range / 255) ** 2


def psnr(fused, ir, vi, peak="fused"):
    """Peak signal-to-noise ratio of the fused image (PSNR).

    ``PSNR = 10 log10(peak^2 / MSE)`` with `mse` on the 0..255 scale. In dB;
    infinite where the fused image equals both sources, minus infinity where its
    own peak is 0 and they are not black as well.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1].
        peak: "fused", the highest grey level of the fused image, or a number of
            grey levels: 255 is the usual one; 65025 gives what IVIF_ZOO and
            Tang's evaluator print, who mix a peak of 255 with an error on the
            0..1 scale (48.13 dB more than 255).

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another peak.

    Source: as in the evaluator of CDDFuse (peak of the fused image). VIFB
    computes an MSE that means nothing and prints 59 dB for all methods.
    """
    if peak != "fused":
        check_positive("peak", peak)
    check_images(fused=fused, ir=ir, vi=vi)
    error = _squared_error(fused, ir, vi)
    highest = grey_levels(fused).amax((-2, -1)) if peak == "fused" else error.new_tensor(peak)
    quotient = ratio(highest * highest, error)
    value = 10 * torch.log10(quotient + is_zero(quotient))
    value = torch.where(quotient > 0, value, -torch.inf)
    return torch.where(error > 0, value, torch.inf)


def cc(fused, ir, vi):
    """Correlation of the fused image with both sources (CC).

    ``CC = (r(F, A) + r(F, B)) / 2`` with Pearson's r, 0 for a constant image.
    From -1 to 1.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1].

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: as in the evaluators of CDDFuse, Tang and IVIF_ZOO, which agree.
    """
    check_images(fused=fused, ir=ir, vi=vi)
    c = _covariances(fused, ir, vi)
    f, a, b = c[:, 0], c[:, 1], c[:, 2]
    total = _correlation(f[:, 1], f[:, 0], a[:, 1]) + _correlation(f[:, 2], f[:, 0], b[:, 2])
    return (total / 2).to(fused.dtype)


def scd(fused, ir, vi):
    """Sum of the correlations of differences (SCD).

    ``SCD = r(F - B, A) + r(F - A, B)`` with Pearson's r, 0 for a constant image:
    what is left of the fused image without one source should look like the
    other. From -2 to 2.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1].

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Aslantas and Bendes, "A new image quality metric for image fusion:
    the sum of the correlations of differences", AEU 69(12), 2015. Public
    evaluators agree.
    """
    check_images(fused=fused, ir=ir, vi=vi)
    c = _covariances(fused, ir, vi)
    total = 0
    for kept, taken in ((1, 2), (2, 1)):
        scale = c[:, 0, 0] + c[:, taken, taken]
        variance = scale - 2 * c[:, 0, taken]
        variance = torch.where(variance > _ROUNDING * scale, variance, 0)
        covariance = (c[:, 0, kept] - c[:, taken, kept]) * variance.sign()
        total = total + _correlation(covariance, variance, c[:, kept, kept])
    return total.to(fused.dtype)


@shared
def _squared_error(fused, ir, vi):
    levels = stacked_levels(fused, ir, vi)
    difference = levels[:1] - levels[1:]
    return (difference * difference).mean((0, -2, -1))


@shared
def _covariances(fused, ir, vi):
    # (B, 3, 3) in the order of the arguments, float64; all that correlations need.
    levels = stacked_levels(fused, ir, vi).double().permute(1, 2, 0, 3)
    pixels = fused[0].numel()
    means = levels.sum((1, 3)).unsqueeze(-1) / pixels
    squares = (levels @ levels.mT).sum(1) / pixels  # row by row, which both cores can share
    covariances = squares - means @ means.mT
    varies = (covariances > _ROUNDING * squares).diagonal(dim1=-2, dim2=-1)
    return torch.where(varies.unsqueeze(-1) & varies.unsqueeze(-2), covariances, 0)


def _correlation(covariance, first, second):
    return ratio(covariance, root(first) * root(second))
