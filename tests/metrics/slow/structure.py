"""SSIM, MS-SSIM and VIF by scikit-image and SciPy."""

import math

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate2d
from skimage.metrics import structural_similarity


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
    # scikit-image derives the Gaussian window's size from sigma: 11 for 1.5.
    size = {"win_size": window_size} if window == "uniform" else {"sigma": sigma}
    values = [
        structural_similarity(
            fused,
            source,
            data_range=data_range,
            gaussian_weights=window == "gaussian",
            use_sample_covariance=sample_covariance,
            **size,
        )
        for source in (ir, vi)
    ]
    return sum(values) if reduction == "sum" else np.mean(values)


def ms_ssim(fused, ir, vi, data_range=1.0, odd="pad", reduction="sum"):
    values = [_ms_ssim_of_two(fused, source, data_range, odd) for source in (ir, vi)]
    return sum(values) if reduction == "sum" else np.mean(values)


def _ms_ssim_of_two(x, y, data_range, odd):
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    product = 1.0
    for scale, weight in enumerate(weights, start=1):
        mean_x, mean_y, mean_xx, mean_yy, mean_xy = (
            gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5]
            for image in (x, y, x * x, y * y, x * y)
        )
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        covariance = mean_xy - mean_x * mean_y
        variances = mean_xx - mean_x**2 + mean_yy - mean_y**2
        similarity = (2 * covariance + c2) / (variances + c2)
        if scale == len(weights):
            similarity *= (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        product *= max(similarity.mean(), 0.0) ** weight
        x, y = _halved(x, odd), _halved(y, odd)
    return product


def _halved(image, odd):
    if odd == "pad":
        image = np.pad(image, [(side % 2, side % 2) for side in image.shape])
    height, width = (side // 2 for side in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def vif(fused, ir, vi, padding="none", centred=True):
    return sum(_vifp(source, fused, padding, centred) for source in (ir, vi))


def _vifp(reference, distorted, padding, centred):
    kept = present = 0.0
    for scale in (1, 2, 3, 4):
        size = 2 ** (5 - scale) + 1
        low = -(size // 2) if centred else math.floor(-size / 2)
        place = np.linspace(low, size // 2, size)
        window = np.exp(-np.add.outer(place**2, place**2) / (2 * (size / 5) ** 2))
        window /= window.sum()

        def mean(image, window=window):
            return correlate2d(image, window, mode="valid" if padding == "none" else "same")

        if scale > 1:
            reference, distorted = mean(reference)[::2, ::2], mean(distorted)[::2, ::2]
        variance_r = np.maximum(mean(reference**2) - mean(reference) ** 2, 0)
        variance_d = np.maximum(mean(distorted**2) - mean(distorted) ** 2, 0)
        covariance = mean(reference * distorted) - mean(reference) * mean(distorted)
        gain = covariance / (variance_r + 1e-10)
        noise = variance_d - gain * covariance
        flat = variance_r < 1e-10
        gain[flat], noise[flat], variance_r[flat] = 0, variance_d[flat], 0
        flat = variance_d < 1e-10
        gain[flat], noise[flat] = 0, 0
        inverted = gain < 0
        gain[inverted], noise[inverted] = 0, variance_d[inverted]
        noise = np.maximum(noise, 1e-10)
        kept += np.log10(1 + gain**2 * variance_r / (noise + 2)).sum()
        present += np.log10(1 + variance_r / 2).sum()
    return 1.0 if present == 0 else kept / present
