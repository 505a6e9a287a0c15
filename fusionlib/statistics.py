"""How sure a mean over images is: the paired bootstrap."""

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 4000


def bootstrap(values: ArrayLike, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the mean of `values` (n,) by resampling its n images.

    For two models scored on the same images pass the differences image by
    image: the interval is then paired. NaN for fewer than two values.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan"), float("nan")
    source = np.random.default_rng(seed)
    chosen = source.integers(0, len(values), (DRAWS, len(values)))
    tail = (1 - level) / 2
    low, high = np.quantile(values[chosen].mean(1), (tail, 1 - tail))
    return float(low), float(high)
