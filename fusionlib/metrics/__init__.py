"""Image-fusion metrics: batched, on the tensors' device, one value an image.

Every metric is called as ``metric(fused, ir, vi, ...)`` with float32 or
float64 tensors (B, 1, H, W) in [0, 1] and returns (B,) in their dtype.
Where public evaluators differ, the difference is an argument whose default
is what Beyond Strict Pairing printed; `CONVENTIONS` bundles the choices and
`score` computes several metrics under one of them.
"""

from fusionlib.metrics.conventions import CONVENTIONS
from fusionlib.metrics.information import en, mi
from fusionlib.metrics.qabf import qabf
from fusionlib.metrics.score import METRICS, score
from fusionlib.metrics.ssim import ssim, ssim_map
from fusionlib.metrics.vif import vif

__all__ = ["CONVENTIONS", "METRICS", "en", "mi", "qabf", "score", "ssim", "ssim_map", "vif"]
