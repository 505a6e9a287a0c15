"""SD, MSE, PSNR, CC and SCD by NumPy and scikit-image."""

import math

import numpy as np
from skimage.metrics import mean_squared_error


def sd(fused, ir, vi):
    return np.std(fused)


def mse(fused, ir, vi, data_range=255.0):
    scale = data_range / 255
    return np.mean([mean_squared_error(scale * fused, scale * source) for source in (ir, vi)])


def psnr(fused, ir, vi, peak="fused"):
    error = mse(fused, ir, vi)
    top = fused.max() if peak == "fused" else peak
    return 20 * math.log10(top) - 10 * math.log10(error) if error else math.inf


def cc(fused, ir, vi):
    return (_correlation(fused, ir) + _correlation(fused, vi)) / 2


def scd(fused, ir, vi):
    return _correlation(fused - vi, ir) + _correlation(fused - ir, vi)


def _correlation(x, y):
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return np.corrcoef(x.ravel(), y.ravel())[0, 1]
