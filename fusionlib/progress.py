"""One progress bar for a terminal, a live notebook, and a log file."""

import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BEFORE_FIRST = 1.0  # what ends sooner needs no bar


class _WithFields:
    """Lets `update` show named values, such as a loss, beside the bar."""

    def update(self, n: int = 1, **fields):
        if fields:
            self.set_postfix(fields, refresh=False)
        return super().update(n)


class _Bar(_WithFields, tqdm):
    pass


class _LineFile:
    """Turns tqdm's redrawing of one line into lines of their own."""

    def __init__(self, file):
        self.file, self.last = file, ""

    def write(self, text: str) -> None:
        text = text.strip()
        count = text.rpartition("[")[0]  # closing repeats the last count with a newer time
        if text and count != self.last:
            self.file.write(text + "\n")
            self.last = count

    def flush(self) -> None:
        self.file.flush()


def live_notebook() -> bool:
    """Whether a person sits before a notebook, so that widgets answer."""
    # Jupyter's server sets this for the kernels behind an open notebook. Papermill and nbconvert
    # do not, and there a widget would stay as it was first drawn.
    return (
        "ipykernel" in sys.modules
        and "JPY_SESSION_NAME" in os.environ
        and find_spec("ipywidgets") is not None
    )


def progress(
    iterable: Iterable | None = None,
    description: str = "",
    total: int | None = None,
    quiet: bool = False,
) -> tqdm:
    """A bar over an iterable, or one that is moved by hand.

    `for pair in progress(pairs, "score"): ...`, or
    `with progress(total=100, description="train") as bar:
    bar.update(1, loss=0.2)`.

    It is a widget in a live notebook, a text bar in a terminal, and elsewhere
    (a log file, papermill) plain lines on standard error, at most one every
    five seconds. It appears after one second.

    Args:
        iterable: what to pass through; None for a bar moved by `update`.
        description: stands before the bar.
        total: steps until the end, where the iterable has no length.
        quiet: show nothing.

    Returns a tqdm bar whose `update(n, **fields)` also shows the fields.
    """
    options = {"desc": description, "total": total, "delay": SECONDS_BEFORE_FIRST}
    if quiet:
        return _Bar(iterable, disable=True)
    if live_notebook():
        from tqdm.notebook import tqdm_notebook

        class Widget(_WithFields, tqdm_notebook):
            pass

        return Widget(iterable, **options)
    if sys.stderr.isatty():
        return _Bar(iterable, dynamic_ncols=True, **options)
    # Without smoothing the rate is the mean since the start, which a log shows best.
    lines = _Bar(
        iterable,
        file=_LineFile(sys.stderr),
        bar_format="{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
        mininterval=SECONDS_BETWEEN_LINES,
        miniters=1,
        smoothing=0,
        **options,
    )
    # The first line comes after the delay, not only after the interval.
    lines.last_print_t = lines.start_t - SECONDS_BETWEEN_LINES
    return lines
