"""What the metrics are timed against: the same twelve, as a careful NumPy user writes them.

SciPy, scikit-learn, scikit-image and NumPy, no loop over pixels, and of the ways that these
libraries offer the one that was fastest on a 640x480 pair. What is right is for `tests/metrics` to
say; here a test only sees to it that both sides compute the same.

Every function takes three float32 arrays (H, W) on the 0..255 scale and returns a float, under
the convention "bsp". Everything stays float32, which is fastest, also scikit-image's SSIM: on
bright, nearly flat images it then is a tenth off, and ours, which takes float64 there, is not.
"""

from functools import cache

import numpy as np
from scipy import sparse, stats
from skimage.metrics import structural_similarity
from sklearn.metrics import mutual_info_score


def en(fused, ir, vi):
    counts = np.bincount(_levels(fused).ravel(), minlength=256)
    return stats.entropy(counts, base=2)


def sd(fused, ir, vi):
    return fused.std()


def sf(fused, ir, vi):
    return np.sqrt(_mean_square(np.diff(fused)) + _mean_square(np.diff(fused, axis=0)))


def ag(fused, ir, vi):
    down, across = np.gradient(fused)
    return np.sqrt((down * down + across * across) / 2).mean()


def mi(fused, ir, vi):
    rows = _levels(fused).ravel() * 256
    joint = (np.bincount(rows + _levels(source).ravel(), minlength=1 << 16) for source in (ir, vi))
    return sum(
        mutual_info_score(None, None, contingency=counts.reshape(256, 256)) for counts in joint
    )


def scd(fused, ir, vi):
    return _correlation(fused - vi, ir) + _correlation(fused - ir, vi)


def cc(fused, ir, vi):
    return (_correlation(fused, ir) + _correlation(fused, vi)) / 2


def mse(fused, ir, vi):
    return (_mean_square(fused - ir) + _mean_square(fused - vi)) / 2


def psnr(fused, ir, vi):
    return 10 * np.log10(fused.max() ** 2 / mse(fused, ir, vi))


def ssim(fused, ir, vi):
    return sum(structural_similarity(fused, source, data_range=2) for source in (ir, vi))


def vif(fused, ir, vi):
    # Around its mean, an image's variances keep their digits in float32.
    images = np.stack([image - image.mean() for image in (fused, ir, vi)])
    kept = present = 0
    for size in (17, 9, 5, 3):
        if size < 17:
            images = _window_means(images, size, step=2)
        means = _window_means(images, size)
        variances = (_window_means(images * images, size) - means * means).clip(0)
        covariances = _window_means(images[:1] * images[1:], size) - means[:1] * means[1:]
        variance_f, variances = variances[0], variances[1:]
        # Nothing is shared where the fused image inverts a source, or where either is flat.
        shared = covariances.clip(0) ** 2 / (variances + 1e-10)
        shared *= (variances >= 1e-10) & (variance_f >= 1e-10)
        kept = kept + np.log1p(shared / ((variance_f - shared).clip(0) + 2)).sum((1, 2))
        present = present + np.log1p(variances / 2).sum((1, 2))
    return (kept / present).sum()


def qabf(fused, ir, vi):
    edges_f, angle_f = _sobel(fused)
    kept = present = 0
    for edges, angle in map(_sobel, (ir, vi)):
        larger = np.maximum(edges, edges_f)
        strength = np.minimum(edges, edges_f) / (larger + (larger == 0))
        equal = edges == edges_f
        strength[equal] = edges[equal]
        direction = 1 - abs(angle - angle_f) * (2 / np.pi)
        weight = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
        weight *= 0.9879 / (1 + np.exp(-22 * (direction - 0.8)))
        kept += np.vdot(weight, edges)
        present += edges.sum()
    return kept / present


METRICS = {
    "EN": en,
    "SD": sd,
    "SF": sf,
    "AG": ag,
    "MI": mi,
    "SCD": scd,
    "CC": cc,
    "PSNR": psnr,
    "VIF": vif,
    "Qabf": qabf,
    "SSIM": ssim,
    "MSE": mse,
}


def _levels(image):
    return np.rint(image).astype(np.intp)


def _mean_square(x):
    return np.vdot(x, x) / x.size


def _correlation(x, y):
    x, y = x - x.mean(), y - y.mean()
    return np.vdot(x, y) / np.sqrt(np.vdot(x, x) * np.vdot(y, y))


def _window_means(images, size, step=1):
    # Gaussian means over the windows that lie wholly inside. Products with sparse band matrices
    # take half the time of ndimage.correlate1d and of the convolutions in scipy.signal.
    down, across = (_band(side, size, step) for side in images.shape[1:])
    return np.stack([(across @ (down @ image).T).T for image in images])


@cache
def _band(side, size, step):
    offset = np.arange(size) - size // 2
    window = np.exp(-(offset**2) / (2 * (size / 5) ** 2))
    diagonals = np.tile((window / window.sum()).astype(np.float32)[:, None], side)
    shape = side - size + 1, side
    return sparse.diags_array(diagonals, offsets=range(size), shape=shape).tocsr()[::step]


def _sobel(image):
    # Slices are four times as fast as ndimage.sobel; hypot three times as slow as the root.
    image = np.pad(image, 1)
    across, down = image[:, :-2] - image[:, 2:], image[2:] - image[:-2]
    x = across[:-2] + 2 * across[1:-1] + across[2:]
    y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    vertical = x == 0
    angle = np.arctan(y / (x + vertical))
    angle[vertical] = np.pi / 2
    return np.sqrt(x * x + y * y), angle
