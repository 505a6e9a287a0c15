"""Controls where somebody can use them, a figure elsewhere."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from fusionlib.progress import live_notebook
from fusionlib.report.style import save_figure


def live_or_still(still: Figure, path: Path | None, controls: Callable) -> Figure | None:
    """Keep a figure in `path`; show controls in a live notebook.

    Without a kernel behind them (papermill, nbconvert, a script) controls would
    be dead: there the figure is returned, to be shown as it is.

    Args:
        still: the figure.
        path: where it is kept; None writes nothing.
        controls: makes the ipywidgets box, in a live notebook alone.
    """
    first = save_figure(still, path)
    if not live_notebook():
        return first
    from IPython.display import display

    display(controls())
    return None
