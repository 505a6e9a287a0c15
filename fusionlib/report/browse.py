"""Look through pairs: a menu in a live notebook, the first pair elsewhere."""

from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from fusionlib.data import Pair, PairSet
from fusionlib.progress import live_notebook


def browse(pairs: PairSet, draw: Callable[[Pair], Figure]) -> Figure:
    """Show `draw(pair)` for a pair that the reader chooses.

    In a live notebook a menu stands above the figure. Without a kernel behind
    it (papermill, nbconvert, a script) a menu would be dead, so none is shown.

    Returns the figure of the first pair.
    """
    first = _closed(draw(pairs[0]))
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
    return first


def _closed(figure: Figure) -> Figure:
    # Jupyter shows every figure left open once more, and each turn of the menu would leave one.
    plt.close(figure)
    return figure
