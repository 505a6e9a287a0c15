"""Slow, independent references: SciPy, scikit-learn, scikit-image and plain NumPy, one image each.

Every function takes three float arrays (H, W) on the 0..255 scale and returns a float.
"""

import math

import numpy as np
from scipy.signal import convolve2d
from skimage.measure import shannon_entropy
from skimage.metrics import structural_similarity
from sklearn.metrics import mutual_info_score


def en(fused, ir, vi):
    return shannon_entropy(np.rint(fused).astype(np.uint8), base=2)


def mi(fused, ir, vi, base="e"):
    levels = [np.rint(image).astype(int).ravel() for image in (fused, ir, vi)]
    nats = sum(mutual_info_score(levels[0], source) for source in levels[1:])
    return nats / math.log(2) if base == "2" else nats


def ssim(fused, ir, vi, data_range=2.0, window="uniform", window_size=7, sample_covariance=True):
    size = {"win_size": window_size} if window == "uniform" else {"sigma": 1.5}
    return sum(
        structural_similarity(
            fused,
            source,
            data_range=data_range,
            gaussian_weights=window == "gaussian",
            use_sample_covariance=sample_covariance,
            **size,
        )
        for source in (ir, vi)
    )


def vif(fused, ir, vi):
    return _vifp(ir, fused) + _vifp(vi, fused)


def _vifp(reference, distorted):
    kept = present = 0.0
    for scale in (1, 2, 3, 4):
        size = 2 ** (5 - scale) + 1
        row, column = np.mgrid[:size, :size] - size // 2
        window = np.exp(-(row**2 + column**2) / (2 * (size / 5) ** 2))
        window /= window.sum()

        def mean(image, window=window):
            return convolve2d(image, window, mode="valid")

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


def qabf(fused, ir, vi):
    (edges_f, angle_f), *sources = (_sobel(image) for image in (fused, ir, vi))
    kept = present = 0.0
    for edges, angle in sources:
        for place in np.ndindex(edges.shape):
            a, f = edges[place], edges_f[place]
            strength = f if a == f else min(a, f) / max(a, f)
            direction = 1 - abs(angle[place] - angle_f[place]) / (math.pi / 2)
            kept += (
                a
                * (0.9994 / (1 + math.exp(-15 * (strength - 0.5))))
                * (0.9879 / (1 + math.exp(-22 * (direction - 0.8))))
            )
            present += a
    return kept / present if present else 0.0


def _sobel(image):
    x = convolve2d(image, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="same")
    y = convolve2d(image, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], mode="same")
    angle = np.full(image.shape, math.pi / 2)
    for place in zip(*np.nonzero(x), strict=True):
        angle[place] = math.atan(y[place] / x[place])
    return np.hypot(x, y), angle
