"""The numbers that a loss takes, checked: a factor is a number of 0 or more."""

import math
from numbers import Real

from fusionlib.errors import FusionError


def check_factors(loss, *names: str) -> None:
    """Make the named fields of a frozen dataclass floats, or raise FusionError.

    2 and 2.0 are one setting, and must give one run.
    """
    for name in names:
        object.__setattr__(loss, name, as_factor(name, getattr(loss, name)))


def as_factor(name: str, value) -> float:
    """The number as a float; FusionError for what is no number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < math.inf:
        raise FusionError(f"{name} is a number of 0 or more, not {value!r}.")
    return float(value)


def check_share(loss, name: str) -> None:
    """Make the named field a float from 0 to 1, 1 itself excluded."""
    check_factors(loss, name)
    if getattr(loss, name) >= 1:
        raise FusionError(f"{name} is a share below 1, not {getattr(loss, name)!r}.")
