"""Information metrics from histograms of grey levels: EN and MI."""

import math

import torch

from fusionlib.errors import FusionError
from fusionlib.metrics.inputs import check_images

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
    check_images(fused=fused, ir=ir, vi=vi)
    entropy = _entropy(_histogram(_levels(fused), LEVELS))
    return (entropy / math.log(2)).to(fused.dtype)


def mi(fused, ir, vi, base="e"):
    """Mutual information of the fused image with both sources (MI).

    ``MI = I(fused; ir) + I(fused; vi)`` with
    ``I(X; Y) = H(X) + H(Y) - H(X, Y)`` from 256 x 256 joint histograms. From 0
    (independent) to twice the fused image's entropy.

    Args:
        fused, ir, vi: float tensors (B, 1, H, W) in [0, 1]. Levels are
            ``round(255 * x)``, so MI is not differentiable.
        base: "e" for nats, "2" for bits (1.4427 times as many).

    Returns:
        tensor (B,), dtype and device of `fused`.

    Raises:
        FusionError: an image of a wrong shape, dtype or range; another base.

    Source: Qu, Zhang, Yan, "Information measure for performance of image
    fusion", Electronics Letters 38(7), 2002. Public evaluators differ: those in
    Python built on scikit-learn give nats, most in Matlab and IVIF_ZOO give bits,
    and VIFB stretches every image to 0..255 first.
    """
    check_images(fused=fused, ir=ir, vi=vi)
    if base not in ("e", "2"):
        raise FusionError(f'base is {base!r}: choose "e" for nats or "2" for bits.')
    levels, sources = _levels(fused), torch.stack([_levels(ir), _levels(vi)])
    joint = _histogram(levels * LEVELS + sources, LEVELS**2).unflatten(-1, (LEVELS, LEVELS))
    shared = _entropy(joint.sum(-1)) + _entropy(joint.sum(-2)) - _entropy(joint.flatten(-2))
    # Rounding may leave -1e-16 for independent images.
    nats = shared.clamp_min(0).sum(0)
    return (nats if base == "e" else nats / math.log(2)).to(fused.dtype)


def _levels(image):
    return (image * (LEVELS - 1)).round().clamp(0, LEVELS - 1).int().flatten(1)


def _histogram(values, bins):
    # (..., pixels) of integers below `bins` -> counts (..., bins), all in one bincount.
    *lead, pixels = values.shape
    values = values.reshape(-1, pixels)
    count = len(values)
    first = torch.arange(0, count * bins, bins, device=values.device, dtype=values.dtype)
    values = (values + first.unsqueeze(1)).flatten()
    return torch.bincount(values, minlength=count * bins).view(*lead, bins)


def _entropy(counts):
    # In nats, float64: (..., bins) -> (...).
    return torch.special.entr(counts / counts.sum(-1, keepdim=True, dtype=torch.float64)).sum(-1)
