"""Look through pairs: a menu in a live notebook, the first pair elsewhere."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from fusionlib.data import Pair, PairSet
from fusionlib.progress import live_notebook
from fusionlib.report.style import save_figure


def browse(pairs: PairSet, draw: Callable[[Pair], Figure], path: Path) -> Figure | None:
    """Show `draw(pair)` for a pair that the reader chooses; keep the first in `path`.

    In a live notebook a menu stands above the figure. Without a kernel behind
    it (papermill, nbconvert, a script) a menu would be dead: there the figure
    of the first pair is returned, to be shown as it is.
    """
    first = save_figure(draw(pairs[0]), path)
    if live_notebook():
        import ipywidgets
        from IPython.display import display

        menu = ipywidgets.Dropdown(
            options=[(pair.name, place) for place, pair in enumerate(pairs)], description="pair"
        )
        shown = ipywidgets.interactive_output(
            lambda place: display(_closed(draw(pairs[place]))), {"place": menu}
        )
        display(ipywidgets.VBox([menu, shown]))
        return None
    return first


def _closed(figure: Figure) -> Figure:
    # Jupyter shows every figure left open once more, and each turn of the menu would leave one.
    plt.close(figure)
    return figure
