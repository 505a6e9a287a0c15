"""When losses say that a training has failed: they are not finite, or they diverge."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# A loss diverges where its median over so many steps is so many times the lowest before. In sound
# runs it was at most 1.1 times.
DIVERGING_STEPS, DIVERGING = 50, 3


def failure(losses: np.ndarray, watched: int, turns: Sequence[int] = ()) -> tuple[str, int] | None:
    """What a loss does that it must not, and since when; None while all is well.

    Args:
        losses: (steps, terms) so far.
        watched: the term whose level tells whether a training diverges.
        turns: steps with which another objective begins: the levels of two
            don't compare.

    Returns what it does, and the step, counted from 0.
    """
    bad = ~np.isfinite(losses).all(1)
    if bad.any():
        return "is not finite", int(bad.argmax())
    parts = np.split(losses[:, watched], turns)
    bad = np.concatenate([_diverging(part) for part in parts])
    if bad.any():
        how = f"its median over {DIVERGING_STEPS} steps is {DIVERGING} times the lowest before"
        return f"diverges: {how}", int(bad.argmax())
    return None


def _diverging(totals: np.ndarray) -> np.ndarray:
    """Which of the losses (n,) of one objective have left the level that it had reached."""
    # The level: each step's median with those before it.
    level = pd.Series(totals).rolling(DIVERGING_STEPS).median()
    before = level.cummin().shift(DIVERGING_STEPS)
    return ((before > 0) & (level > DIVERGING * before)).to_numpy()
