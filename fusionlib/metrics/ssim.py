"""Structural similarity of the fused image to the sources: SSIM."""

import torch

from fusionlib.errors import FusionError
from fusionlib.metrics.inputs import check_choice, check_images, check_positive, stacked_levels
from fusionlib.metrics.windows import (
    frame,
    gaussian,
    local_moments,
    total,
    uniform,
    whole,
)

K1, K2 = 0.01, 0.03


def ssim(
    fused,
    ir,
    vi,
    data_range=2.0,
    window="uniform",
    window_size=7,
    sigma=1.5,
    sample_covariance=True,
    reduction="sum",
):
    """Structural similarity to both sources (SSIM).

    ``SSIM(fused, ir) + SSIM(fused, vi)``, each the mean of `ssim_map` over all
    windows wholly inside the image. No unit; from -2 to 2 as a sum, from -1 to 1
    as a mean.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1], at least
            `window_size` pixels a side. Scored on the 0..255 scale, unrounded.
        data_range: the range that sets SSIM's two constants, in grey levels of
            0..255. 255 is what the SSIM paper means; 2 is what the field's usual
            evaluator used.
        window, window_size, sigma, sample_covariance: as in `ssim_map`.
        reduction: "sum" or "mean" over the two sources.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range, or smaller than
            the window; another parameter that can't be.

    Source: Wang et al., "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 13(4), 2004. Public evaluators differ most
    here. CDDFuse's hands float images of 0..255 to scikit-image 0.19, which takes
    the range of floats, -1..1: data range 2 with a uniform 7x7 window, summed
    (the default here). IVIF_ZOO amounts to range 1 with an 11x11 Gaussian,
    summed; Tang's to much the same, averaged; VIFB uses range 255, summed. Ranges 1
    and 2 agree to 0.01; range 255 gives 1.4 where they give 1.0.
    """
    _check_parameters(data_range, window, window_size, sigma)
    check_choice("reduction", reduction, ("sum", "mean"))
    check_images(window_size, fused=fused, ir=ir, vi=vi)
    luminance, structure = similarity(
        frame(stacked_levels(fused, ir, vi)),
        fused.dtype,
        data_range,
        window,
        window_size,
        sigma,
        sample_covariance,
    )
    height, width = (side - window_size + 1 for side in fused.shape[-2:])
    similarities = total(luminance.mul_(structure), width) / (height * width)
    return similarities.sum(0) if reduction == "sum" else similarities.mean(0)


def ssim_map(
    x, y, data_range=1.0, window="uniform", window_size=7, sigma=1.5, sample_covariance=True
):
    """SSIM of two images at every window that lies wholly inside them.

    With local means m, variances v and covariance c, ``c1 = (0.01 R)^2`` and
    ``c2 = (0.03 R)^2`` for the data range R,

        (2 m_x m_y + c1) (2 c + c2) / ((m_x^2 + m_y^2 + c1) (v_x + v_y + c2))

    Args:
        x, y: float tensors (..., H, W) on one scale; leading dimensions may
            broadcast.
        data_range: R, in the unit of `x` and `y`.
        window: "uniform", or "gaussian" with standard deviation `sigma`.
        window_size: the window's side in pixels, odd.
        sigma: pixels; used by the Gaussian window alone.
        sample_covariance: scale variances and covariance by n / (n - 1), n the
            window's number of pixels, as scikit-image does by default; the
            paper does not.

    Returns:
        tensor (..., H - window_size + 1, W - window_size + 1), dtype of `x`; in
        [-1, 1]. Local moments are taken in float64, the rest in the dtype of
        `x`. Differentiable.

    Raises:
        FusionError: a parameter that can't be, or images smaller than the window.

    Source: Wang et al., IEEE TIP 13(4), 2004, Eq. 13.
    """
    _check_parameters(data_range, window, window_size, sigma)
    if x.shape[-2:] != y.shape[-2:] or min(x.shape[-2:]) < window_size:
        raise FusionError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}: SSIM needs the same height and "
            f"width, at least {window_size}x{window_size} pixels."
        )
    framed = frame(torch.stack(torch.broadcast_tensors(x, y)))
    luminance, structure = similarity(
        framed, x.dtype, data_range, window, window_size, sigma, sample_covariance
    )
    return whole(luminance * structure, x.shape[-1] - window_size + 1).squeeze(0)


def similarity(framed, dtype, data_range, window, window_size, sigma, sample_covariance):
    """SSIM's two factors for the first of the framed maps with each of the others.

    Takes float64 maps (1 + n, ...) and gives luminance and contrast-structure,
    both (n, ...) in `dtype` and in blocks, as from `window_means`; the rest as in
    `ssim_map`.
    """
    weights = uniform(window_size) if window == "uniform" else gaussian(window_size, sigma)
    means, variances, covariances = (x.to(dtype) for x in local_moments(framed, weights))
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    if sample_covariance:  # n / (n - 1) on every variance is (n - 1) / n on their constant
        c2 *= 1 - window_size**-2
    first, others = means[:1], means[1:]
    squares = torch.addcmul(first * first + c1, others, others)
    luminance = (first * others).mul_(2).add_(c1) / squares
    structure = covariances.mul_(2).add_(c2) / ((variances[:1] + c2) + variances[1:])
    return luminance, structure


def _check_parameters(data_range, window, window_size, sigma):
    check_choice("window", window, ("uniform", "gaussian"))
    if not isinstance(window_size, int) or window_size < 3 or window_size % 2 == 0:
        raise FusionError(f"window_size is {window_size!r}: give an odd number of pixels from 3.")
    check_positive("data_range", data_range)
    check_positive("sigma", sigma)
