"""How sure a mean over images is: the paired bootstrap."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

FEWEST_IMAGES = 20  # on fewer, nothing is told apart
DRAWS = 4000
_AT_ONCE = 2_000_000  # indices in memory


def bootstrap(values: ArrayLike, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the mean of `values` (n,) by resampling its n images.

    For two models scored on the same images pass the differences image by
    image: the interval is then paired. NaN for fewer than two values, and where
    one is not finite.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or not np.isfinite(values).all():
        return float("nan"), float("nan")
    source = np.random.default_rng(seed)
    # A share of the draws at a time: of a long folder all of them would fill the memory.
    shares = np.array_split(np.arange(DRAWS), max(1, DRAWS * len(values) // _AT_ONCE))
    means = [values[source.integers(0, len(values), (len(s), len(values)))].mean(1) for s in shares]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return float(low), float(high)


def over_shared_seeds(row: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The scores of two rows of a table, of the seeds that both were trained with.

    Equal seeds began with equal weights, so what a seed adds to both cancels.
    Rows without a common seed stay whole.

    Args:
        row, other: tables with a column seed.
    """
    shared = set(row["seed"]) & set(other["seed"])
    if not shared:
        return row, other
    return row[row["seed"].isin(shared)], other[other["seed"].isin(shared)]
