"""EN, CE, MI and NMI by scikit-image, scikit-learn and SciPy."""

import math

import numpy as np
from scipy.special import rel_entr
from skimage.measure import shannon_entropy
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score


def en(fused, ir, vi):
    return shannon_entropy(_levels(fused), base=2)


def ce(fused, ir, vi):
    nats = []
    for source in (ir, vi):
        p, q = (np.bincount(_levels(x).ravel(), minlength=256) / x.size for x in (source, fused))
        both = (p > 0) & (q > 0)
        nats.append(rel_entr(p[both], q[both]).sum())
    return np.mean(nats) / math.log(2)


def mi(fused, ir, vi, base="e", stretch=False):
    levels = [(stretched if stretch else _levels)(image).ravel() for image in (fused, ir, vi)]
    nats = sum(mutual_info_score(levels[0], source) for source in levels[1:])
    return nats / math.log(2) if base == "2" else nats


def nmi(fused, ir, vi, normaliser="pairs"):
    levels = [_levels(image).ravel() for image in (fused, ir, vi)]
    if normaliser == "pairs":
        # scikit-learn calls two constant images a perfect match; they share no information.
        return sum(
            normalized_mutual_info_score(levels[0], source, average_method="arithmetic")
            for source in levels[1:]
            if np.ptp(levels[0]) or np.ptp(source)
        )
    entropies = sum(mutual_info_score(source, source) for source in levels[1:])
    return 2 * mi(fused, ir, vi) / entropies if entropies > 1e-12 else 0.0


def stretched(image):
    """Levels after min-max stretching to 0..255, halves rounded up; 0 for a constant image."""
    # The product of 8-bit levels is exact and so is a quotient of n + 1/2: no half goes astray.
    return np.floor(255 * (image - image.min()) / (np.ptp(image) or 1) + 0.5).astype(int)


def _levels(image):
    return np.rint(image).astype(np.uint8)
