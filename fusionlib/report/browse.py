"""Look through pairs: a menu in a live notebook, the first pair elsewhere."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from fusionlib.data import Pair, PairSet
from fusionlib.report.live import live_or_still


def browse(pairs: PairSet, draw: Callable[[Pair], Figure], path: Path) -> Figure | None:
    """Show `draw(pair)` for a pair that the reader chooses; keep the first in `path`.

    In a live notebook a menu stands above the figure, see `live_or_still`.
    """
    return live_or_still(draw(pairs[0]), path, lambda: _controls(pairs, draw))


def _controls(pairs: PairSet, draw: Callable[[Pair], Figure]):
    import ipywidgets
    from IPython.display import display

    menu = ipywidgets.Dropdown(
        options=[(pair.name, place) for place, pair in enumerate(pairs)], description="pair"
    )
    shown = ipywidgets.interactive_output(
        lambda place: display(_closed(draw(pairs[place]))), {"place": menu}
    )
    return ipywidgets.VBox([menu, shown])


def _closed(figure: Figure) -> Figure:
    # Jupyter shows every figure left open once more, and each turn of the menu would leave one.
    plt.close(figure)
    return figure
