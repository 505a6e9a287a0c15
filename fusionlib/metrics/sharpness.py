"""How much the fused image changes from pixel to pixel: SF, AG and EI."""

import math

import torch

from fusionlib.metrics.gradients import sobel, squared_length
from fusionlib.metrics.inputs import check_choice, check_images, grey_levels
from fusionlib.metrics.safely import root


def sf(fused, ir=None, vi=None, divisor="differences"):
    """Spatial frequency of the fused image (SF).

    ``SF = sqrt(RF^2 + CF^2)`` with RF and CF the root mean squares of the
    differences between neighbours in a row and in a column. In grey levels, 0
    upwards; higher means more detail, or more noise.

    Args:
        fused: float tensor (B, 1, H, W) in [0, 1], at least 2x2. Scored on the
            0..255 scale, unrounded.
        ir, vi: not used; there so that all metrics are called alike.
        divisor: what the sums are divided by: "differences", H (W - 1) and
            (H - 1) W, or "pixels", H W.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another divisor.

    Source: Eskicioglu and Fisher, "Image quality measures and their
    performance", IEEE Trans. Communications 43(12), 1995. The evaluators of
    CDDFuse, Tang and IVIF_ZOO count differences; VIFB, like the paper, counts
    pixels (0.1 % less at 480x640).
    """
    check_choice("divisor", divisor, ("differences", "pixels"))
    check_images(2, optional=("ir", "vi"), fused=fused, ir=ir, vi=vi)
    x, total = grey_levels(fused), 0
    for step in (x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]):
        count = (step if divisor == "differences" else x)[0].numel()
        total = total + (step * step).sum((-2, -1)) / count
    return root(total)


def ag(fused, ir=None, vi=None, divisor="pixels"):
    """Average gradient of the fused image (AG).

    ``AG = sum sqrt((gx^2 + gy^2) / 2) / (H W)`` with central differences, at the
    border one-sided ones. In grey levels a pixel, 0 upwards.

    Args:
        fused: float tensor (B, 1, H, W) in [0, 1], at least 2x2. Scored on the
            0..255 scale, unrounded.
        ir, vi: not used; there so that all metrics are called alike.
        divisor: "pixels", H W, or "inner", (H - 1) (W - 1).

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another divisor.

    Source: Cui et al., "Detail preserved fusion of visible and infrared images
    using regional saliency extraction and multi-scale image decomposition",
    Optics Communications 341, 2015. The evaluators of CDDFuse and IVIF_ZOO
    divide by pixels; Tang's and VIFB's by (H - 1) (W - 1), 0.37 % more at
    480x640.
    """
    check_choice("divisor", divisor, ("pixels", "inner"))
    check_images(2, optional=("ir", "vi"), fused=fused, ir=ir, vi=vi)
    height, width = fused.shape[-2:]
    down, across = torch.gradient(grey_levels(fused), dim=(-2, -1))
    count = height * width if divisor == "pixels" else (height - 1) * (width - 1)
    return root(squared_length(across, down)).sum((-2, -1)) / (math.sqrt(2) * count)


def ei(fused, ir=None, vi=None, padding="replicate"):
    """Edge intensity of the fused image (EI).

    ``EI = mean sqrt(sx^2 + sy^2)`` with the 3x3 Sobel gradient, weights 1 2 1
    without normalisation. In grey levels, 0 upwards.

    Args:
        fused: float tensor (B, 1, H, W) in [0, 1]. Scored on the 0..255 scale,
            unrounded.
        ir, vi: not used; there so that all metrics are called alike.
        padding: beyond the border "replicate" the last pixel, or "zeros", which
            makes the image's frame an edge.

    Returns:
        tensor (B,), dtype and device of `fused`. Differentiable.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another padding.

    Source: Rajalingam and Priya, "Hybrid multimodality medical image fusion
    technique for feature enhancement in medical diagnosis", IJESI, 2018. VIFB
    replicates, IVIF_ZOO pads with zeros.
    """
    check_choice("padding", padding, ("replicate", "zeros"))
    check_images(optional=("ir", "vi"), fused=fused, ir=ir, vi=vi)
    return root(squared_length(*sobel(grey_levels(fused), padding))).mean((-2, -1))
