"""Qcb, Qcv and the colour difference by NumPy, SciPy and scikit-image."""

import numpy as np
from scipy import fft, ndimage
from skimage.color import deltaE_ciede2000, rgb2xyz

from tests.metrics.slow.information import stretched


def qcb(fused, ir, vi, frequencies="nyquist", rounded=True):
    contrasts = []
    for image in (fused, ir, vi):
        if rounded:
            image = stretched(image).astype(float)
        else:
            image = 255 * (image - image.min()) / (np.ptp(image) or 1)
        radius = _radius(image.shape, 30) / (2 if frequencies == "halved" else 1)
        sensitivity = np.exp(-((radius / 15.387) ** 2)) - 0.7622 * np.exp(-((radius / 1.3456) ** 2))
        seen = _filtered(image, sensitivity)
        with np.errstate(invalid="ignore", divide="ignore"):
            contrast = np.abs(_blurred(seen, 2) / _blurred(seen, 4) - 1)
        contrast[np.isnan(contrast)] = 0  # nothing over nothing, as everywhere in a constant image
        contrasts.append(contrast**3 / (contrast**2 + 1e-4))
    fused, ir, vi = contrasts
    with np.errstate(invalid="ignore", divide="ignore"):
        kept_ir, kept_vi = (np.minimum(fused, x) / np.maximum(fused, x) for x in (ir, vi))
        salience = ir**2 / (ir**2 + vi**2)
    quality = salience * kept_ir + (1 - salience) * kept_vi
    return 1.0 if np.isnan(quality).all() else np.nanmean(quality)


def qcv(fused, ir, vi):
    fused, ir, vi = (stretched(image).astype(float) for image in (fused, ir, vi))
    radius = _radius(fused.shape, 8)
    sensitivity = 2.6 * (0.0192 + 0.144 * radius) * np.exp(-((0.144 * radius) ** 1.1))
    weighted = weights = 0.0
    for source in (ir, vi):
        gradients = [ndimage.sobel(source, axis, mode="constant") for axis in (0, 1)]
        difference = _filtered(source - fused, sensitivity)
        for top in range(0, source.shape[0], 16):
            for left in range(0, source.shape[1], 16):
                block = np.s_[top : top + 16, left : left + 16]
                saliency = (np.hypot(*(x[block] for x in gradients)) ** 5).sum()
                # A block that is cut off by the border counts zeros outside.
                weighted += saliency * (difference[block] ** 2).sum() / 256
                weights += saliency
    return weighted / weights if weights else 0.0


def delta_e(fused, ir, vi):
    return deltaE_ciede2000(_lab(fused), _lab(vi)).mean()


def _lab(image):
    # Not scikit-image's rgb2lab, which rounds the constants of the line near black.
    ratios = rgb2xyz(image / 255, channel_axis=0).transpose(1, 2, 0) / [0.95047, 1, 1.08883]
    line = 841 / 108 * ratios + 4 / 29
    x, y, z = np.moveaxis(np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), line), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def _radius(shape, divisor):
    # Matlab's freqspace: n steps of 2/n around 0, from -1 where n is even.
    v, u = (np.arange(-(n - n % 2), n, 2) / n for n in shape)
    height, width = shape
    return np.hypot.outer(v * height / divisor, u * width / divisor)


def _filtered(image, response):
    spectrum = fft.fftshift(fft.fft2(image))
    return fft.ifft2(fft.ifftshift(spectrum * response)).real


def _blurred(image, sigma):
    # 31 x 31, weights of the continuous density, zeros outside.
    x = np.arange(-15, 16)
    weights = np.exp(-(x**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)
    for axis in (0, 1):
        image = ndimage.correlate1d(image, weights, axis, mode="constant")
    return image
