"""Information metrics from histograms of grey levels: EN, CE, MI and NMI."""

import math

import torch

from fusionlib.metrics.inputs import check_choice, check_images, grey_levels, stretched
from fusionlib.metrics.safely import ratio
from fusionlib.metrics.sharing import shared

LEVELS = 256


def en(fused, ir=None, vi=None):
    """Entropy of the fused image (EN).

    ``EN = -sum_k p_k log2 p_k`` over the 256 grey levels of `fused`. In bits,
    from 0 (one level) to 8 (all levels equally often); higher means more
    varied levels, which noise and contrast stretching also bring.

    Args:
        fused: float tensor (B, 1, H, W) in [0, 1]. Levels are
            ``round(255 * fused)``, so EN is not differentiable.
        ir, vi: not used; there so that all metrics are called alike.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Roberts et al., "Assessment of image fusion procedures using
    entropy, image quality, and multispectral classification", J. Appl. Remote
    Sens. 2, 2008. Public evaluators agree to the fourth decimal.
    """
    check_images(optional=("ir", "vi"), fused=fused, ir=ir, vi=vi)
    return (_entropy(_counts(_levels(fused))) / math.log(2)).to(fused.dtype)


def ce(fused, ir, vi):
    """Cross entropy between the sources and the fused image (CE), lower is closer.

    ``CE = (D(A, F) + D(B, F)) / 2`` with ``D(S, F) = sum_k p_S(k) log2(p_S(k) /
    p_F(k))`` over the grey levels k that occur in both images. In bits. Levels
    that one image lacks are left out, so it may fall below 0.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Levels are
            ``round(255 * x)``, so CE is not differentiable.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range.

    Source: Bulanon, Burks, Alchanatis, "Image fusion of visible and thermal
    images for fruit detection", Biosystems Engineering 103(1), 2009, as in
    VIFB. IVIF_ZOO gives the binary cross entropy of sigmoids of the images,
    another measure, by this name.
    """
    check_images(fused=fused, ir=ir, vi=vi)
    p_fused, *sources = (_shares(_counts(_levels(image))) for image in (fused, ir, vi))
    total = 0
    for p in sources:
        both = (p > 0) & (p_fused > 0)
        quotient = torch.where(both, p / torch.where(both, p_fused, 1), 1)
        total = total + (p * quotient.log2()).sum(-1)
    return (total / 2).to(fused.dtype)


def mi(fused, ir, vi, base="e", stretch=False):
    """Mutual information of the fused image with both sources (MI).

    ``MI = I(fused; ir) + I(fused; vi)`` with
    ``I(X; Y) = H(X) + H(Y) - H(X, Y)`` from 256 x 256 joint histograms. From 0
    (independent) to twice the fused image's entropy.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Levels are
            ``round(255 * x)``, so MI is not differentiable.
        base: "e" for nats, "2" for bits (1.4427 times as many).
        stretch: first stretch each image's levels to 0..255, which matters only
            for images off the 8-bit grid.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another base.

    Source: Qu, Zhang, Yan, "Information measure for performance of image
    fusion", Electronics Letters 38(7), 2002. Public evaluators differ: those in
    Python built on scikit-learn give nats, most in Matlab and IVIF_ZOO give bits,
    and VIFB gives nats of stretched images.
    """
    check_choice("base", base, ("e", "2"))
    check_images(fused=fused, ir=ir, vi=vi)
    nats = sum(_information(fused, source, stretch)[0] for source in (ir, vi))
    return (nats if base == "e" else nats / math.log(2)).to(fused.dtype)


def nmi(fused, ir, vi, normaliser="pairs"):
    """Normalised mutual information with both sources (NMI).

    ``NMI = 2 I(F; A) / (H(F) + H(A)) + 2 I(F; B) / (H(F) + H(B))``, each term 0
    where neither image has any entropy. No unit, from 0 to 2.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Levels are
            ``round(255 * x)``, so NMI is not differentiable.
        normaliser: "pairs" as above, or "sources" for
            ``2 (I(F; A) + I(F; B)) / (H(A) + H(B))``.

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another
            normaliser.

    Source: Hossny, Nahavandi, Creighton, "Comments on 'Information measure for
    performance of image fusion'", Electronics Letters 44(18), 2008. IVIF_ZOO
    divides by the entropies of the sources.
    """
    check_choice("normaliser", normaliser, ("pairs", "sources"))
    check_images(fused=fused, ir=ir, vi=vi)
    (with_ir, h_fused, h_ir), (with_vi, _, h_vi) = (
        _information(fused, source, False) for source in (ir, vi)
    )
    if normaliser == "pairs":
        value = ratio(2 * with_ir, h_fused + h_ir) + ratio(2 * with_vi, h_fused + h_vi)
    else:
        value = ratio(2 * (with_ir + with_vi), h_ir + h_vi)
    return value.to(fused.dtype)


@shared
def _information(fused, source, stretch):
    # I(F; S), H(F) and H(S) in nats, float64, (B,) each.
    first, second = (_levels(image, stretch) for image in (fused, source))
    joint = _counts(torch.add(second, first, alpha=LEVELS), LEVELS**2)
    joint = joint.unflatten(-1, (LEVELS, LEVELS))
    of_first, of_second = _entropy(joint.sum(-1)), _entropy(joint.sum(-2))
    # Rounding may leave -1e-16 for independent images.
    return (of_first + of_second - _entropy(joint.flatten(-2))).clamp_min(0), of_first, of_second


@shared
def _levels(image, stretch=False):
    levels = grey_levels(image).detach()
    if stretch:
        levels = (stretched(levels) + 0.5).floor()  # as Matlab rounds
    # Values that rounding left just outside [0, 1] still become 0 or 255.
    return levels.round().int().flatten(1)


@shared
def _counts(values, bins=LEVELS):
    # (B, pixels) of integers below `bins` -> counts (B, bins), all in one bincount.
    count = len(values)
    if count > 1:
        first = torch.arange(0, count * bins, bins, device=values.device)
        values = values + first.unsqueeze(1)
    return torch.bincount(values.flatten(), minlength=count * bins).view(count, bins)


def _shares(counts):
    return counts / counts.sum(-1, keepdim=True, dtype=torch.float64)


def _entropy(counts):
    # In nats, float64: (..., bins) -> (...).
    return torch.special.entr(_shares(counts)).sum(-1)
