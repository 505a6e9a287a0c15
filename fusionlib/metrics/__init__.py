"""Image-fusion metrics: batched, on the device, and exact about what they compute.

Every metric is called as ``metric(fused, ir, vi, ...)`` with float32 or
float64 tensors (B, 1, H, W) in [0, 1] and returns (B,) in their dtype, on their
device. Where public evaluators differ, the difference is an argument whose
default is what Beyond Strict Pairing printed; `CONVENTIONS` bundles the choices
and `score` computes several metrics under one of them. A class a metric, named
in capitals, takes the mean over a test set batch by batch.
"""

from fusionlib.metrics.classes import (
    AG,
    CC,
    CE,
    EI,
    EN,
    MI,
    MS_SSIM,
    MSE,
    NMI,
    PSNR,
    SCD,
    SD,
    SF,
    SSIM,
    VIF,
    DeltaE,
    IoU,
    Qabf,
    Qcb,
    Qcv,
)  # fmt: skip
from fusionlib.metrics.colour import delta_e
from fusionlib.metrics.conventions import CONVENTIONS, PRINTED, metric_of
from fusionlib.metrics.information import ce, en, mi, nmi
from fusionlib.metrics.intensity import cc, mse, psnr, scd, sd
from fusionlib.metrics.ms_ssim import ms_ssim
from fusionlib.metrics.perception import qcb, qcv
from fusionlib.metrics.qabf import qabf
from fusionlib.metrics.score import DIRECTION, METRICS, OF_COLOUR, columns, score
from fusionlib.metrics.segmentation import confusion, iou, iou_of, miou
from fusionlib.metrics.sharpness import ag, ei, sf
from fusionlib.metrics.ssim import ssim, ssim_map
from fusionlib.metrics.vif import vif

__all__ = [
    "AG",
    "CC",
    "CE",
    "CONVENTIONS",
    "DIRECTION",
    "EI",
    "EN",
    "METRICS",
    "MI",
    "MSE",
    "MS_SSIM",
    "NMI",
    "OF_COLOUR",
    "PRINTED",
    "PSNR",
    "SCD",
    "SD",
    "SF",
    "SSIM",
    "VIF",
    "DeltaE",
    "IoU",
    "Qabf",
    "Qcb",
    "Qcv",
    "ag",
    "cc",
    "ce",
    "columns",
    "confusion",
    "delta_e",
    "ei",
    "en",
    "iou",
    "iou_of",
    "metric_of",
    "mi",
    "miou",
    "ms_ssim",
    "mse",
    "nmi",
    "psnr",
    "qabf",
    "qcb",
    "qcv",
    "scd",
    "score",
    "sd",
    "sf",
    "ssim",
    "ssim_map",
    "vif",
]
