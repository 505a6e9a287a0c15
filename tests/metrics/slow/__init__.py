"""Slow, independent references: SciPy, scikit-learn, scikit-image and plain NumPy, one image each.

Every metric's function takes three float arrays on the 0..255 scale, (H, W) or for colour
(3, H, W), with the choices of the metric it checks, and returns a float. They are written from the
definitions, with a library's function wherever one exists, and share no code with fusionlib.
"""

from tests.metrics.slow.edges import ag, ei, qabf, sf
from tests.metrics.slow.information import ce, en, mi, nmi
from tests.metrics.slow.intensity import cc, mse, psnr, scd, sd
from tests.metrics.slow.perception import delta_e, qcb, qcv
from tests.metrics.slow.structure import ms_ssim, ssim, vif

__all__ = [
    "ag",
    "cc",
    "ce",
    "delta_e",
    "ei",
    "en",
    "mi",
    "ms_ssim",
    "mse",
    "nmi",
    "psnr",
    "qabf",
    "qcb",
    "qcv",
    "scd",
    "sd",
    "sf",
    "ssim",
    "vif",
]
