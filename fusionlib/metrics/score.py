"""Several metrics of a batch at once, under a named convention."""

import torch

from fusionlib.errors import FusionError
from fusionlib.images import grey_of
from fusionlib.memory import keep_freed_memory
from fusionlib.metrics.colour import delta_e
from fusionlib.metrics.conventions import check_convention, choices
from fusionlib.metrics.information import ce, en, mi, nmi
from fusionlib.metrics.inputs import check_images
from fusionlib.metrics.intensity import cc, mse, psnr, scd, sd
from fusionlib.metrics.ms_ssim import ms_ssim
from fusionlib.metrics.perception import qcb, qcv
from fusionlib.metrics.qabf import qabf
from fusionlib.metrics.sharing import sharing
from fusionlib.metrics.sharpness import ag, ei, sf
from fusionlib.metrics.ssim import ssim
from fusionlib.metrics.vif import vif

METRICS = {
    "EN": en,
    "SD": sd,
    "SF": sf,
    "AG": ag,
    "EI": ei,
    "CE": ce,
    "MI": mi,
    "NMI": nmi,
    "VIF": vif,
    "Qabf": qabf,
    "SSIM": ssim,
    "MS-SSIM": ms_ssim,
    "SCD": scd,
    "CC": cc,
    "MSE": mse,
    "PSNR": psnr,
    "Qcb": qcb,
    "Qcv": qcv,
    "ΔE": delta_e,
}
DIRECTION = {name: "lower" if name in ("CE", "MSE", "Qcv", "ΔE") else "higher" for name in METRICS}
OF_COLOUR = frozenset({"ΔE"})

# Pixels taken through all metrics at once. The buffers of a larger share leave a CPU's caches.
_SHARE = {"cpu": 2**19}
_SHARE_OF_OTHERS = 2**22  # of some 450 bytes a pixel
_LEAST = 2**16  # pixels whose memory the joint histogram of an image takes, however small it is


def columns(metrics, convention="bsp"):
    """The labels that `score` gives, in order: list of str.

    They are the metrics' names, but for a metric that the convention does not
    settle: under "regionfuse" AG comes as "AG (pixels)" and "AG (inner)".

    Raises:
        FusionError: an unknown metric or convention.
    """
    return [label for label, _, _ in _calls(metrics, convention)]


def score(fused, ir, vi, metrics=("EN", "MI", "VIF", "Qabf", "SSIM"), convention="bsp"):
    """Score a batch of fused images; what the metrics share is computed once.

    Args:
        fused, ir, vi: float32 or float64 tensors (B, 1, H, W) in [0, 1]. `fused`
            and `vi` may also be RGB (B, 3, H, W), as ΔE needs it; the other
            metrics then take their grey, rounded to 8 bits as in the field's
            evaluators.
        metrics: names from `METRICS`, in the order wanted.
        convention: a name from `CONVENTIONS`: "bsp", "ssvif", "regionfuse" or
            "standard".

    Returns:
        dict from label (see `columns`) to tensor (B,), dtype and device of
        `fused`. Units: EN in bits; MI in nats under "bsp" and "regionfuse" and
        else in bits; the rest as the metrics say.

    Raises:
        FusionError: an unknown metric or convention, or images that a metric
            can't score; unknown names are found before anything is computed.
    """
    calls = _calls(metrics, convention)
    for name, image in (("fused", fused), ("ir", ir), ("vi", vi)):
        if not isinstance(image, torch.Tensor):
            raise FusionError(f"{name} is of type {type(image).__name__}: give a tensor.")
    for name, image in (("fused", fused), ("vi", vi)):
        if any(metric in OF_COLOUR for _, metric, _ in calls) and image.shape[1:2] != (3,):
            raise FusionError(
                f"{name} has shape {tuple(image.shape)}: ΔE compares colours, give (B, 3, H, W)."
            )
    if fused.device.type == "cpu":
        keep_freed_memory()
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (fused, ir, vi))
    with torch.inference_mode(not wanted):  # spares a thousand operations their bookkeeping
        parts = [_score(calls, *images) for images in _shares(fused, ir, vi)]
    # Values made in inference mode could not enter a graph; their copies can.
    return {label: torch.cat([part[label] for part in parts]) for label in parts[0]}


def _score(calls, fused, ir, vi):
    grey = [_grey(name, image) for name, image in (("fused", fused), ("ir", ir), ("vi", vi))]
    with sharing():
        return {
            label: METRICS[metric](*((fused, ir, vi) if metric in OF_COLOUR else grey), **options)
            for label, metric, options in calls
        }


def _grey(name, image):
    if image.shape[1:2] != (3,):
        return image
    check_images(channels=3, **{name: image})
    return grey_of(image)


def _calls(metrics, convention):
    # (label, metric, keyword arguments) one a result.
    check_convention(convention)
    calls = []
    for name in metrics:
        if name not in METRICS:
            raise FusionError(f"metrics holds {name!r}: choose from {', '.join(METRICS)}.")
        calls += [(label, name, options) for label, options in choices(name, convention).items()]
    return calls


def _shares(*images):
    model, *others = images
    if model.ndim != 4 or model.numel() == 0 or any(len(x) != len(model) for x in others):
        return [images]  # which the metrics refuse
    share = _SHARE.get(model.device.type, _SHARE_OF_OTHERS)
    count = max(1, share // max(_LEAST, model.shape[-2:].numel()))
    return zip(*(x.split(count) for x in images), strict=True)
