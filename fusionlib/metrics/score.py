"""Several metrics of a batch at once, under a named convention."""

from fusionlib.errors import FusionError
from fusionlib.metrics.conventions import CONVENTIONS
from fusionlib.metrics.information import en, mi
from fusionlib.metrics.qabf import qabf
from fusionlib.metrics.ssim import ssim
from fusionlib.metrics.vif import vif

METRICS = {"EN": en, "MI": mi, "VIF": vif, "Qabf": qabf, "SSIM": ssim}


def score(fused, ir, vi, metrics=("EN", "MI", "VIF", "Qabf", "SSIM"), convention="bsp"):
    """Score a batch of fused images.

    Args:
        fused, ir, vi: float32 or float64 tensors (B, 1, H, W) in [0, 1], at least
            41x41 if VIF is asked for.
        metrics: names from `METRICS`, in the order wanted.
        convention: a name from `CONVENTIONS`: "bsp", "ssvif" or "standard".

    Returns:
        dict from metric name to tensor (B,), dtype and device of `fused`.
        Units: EN in bits; MI in nats under "bsp" and else in bits.

    Raises:
        FusionError: an unknown metric or convention, or images that a metric
            can't score; unknown names are found before anything is computed.
    """
    if convention not in CONVENTIONS:
        raise FusionError(f"convention is {convention!r}: choose from {', '.join(CONVENTIONS)}.")
    for name in metrics:
        if name not in METRICS:
            raise FusionError(f"metrics holds {name!r}: choose from {', '.join(METRICS)}.")
    choices = CONVENTIONS[convention]
    return {name: METRICS[name](fused, ir, vi, **choices.get(name, {})) for name in metrics}
