"""Let the reader draw a pairing: a grid to click in a live notebook, a figure elsewhere."""

from pathlib import Path

from matplotlib.figure import Figure

from fusionlib.pairing import RELATIONS, Draw
from fusionlib.report.live import live_or_still
from fusionlib.report.pairing_board import Pairing


def play(pairing: Pairing, path: Path | None) -> Figure | None:
    """Show a pairing to be changed by clicks; keep its beginning in `path`.

    In a live notebook `pairing.pairs` follows the reader: a click on a cell
    lets two patches meet or parts them, and buttons draw anew. See
    `live_or_still`.
    """
    return live_or_still(pairing.figure(), path, lambda: _controls(pairing))


def _controls(pairing: Pairing):
    import ipywidgets

    from fusionlib.report.pairing_grid import PairingGrid

    sizes = len(pairing.meetings.ir), len(pairing.meetings.vi)
    grid = PairingGrid(
        sprite=pairing.sprite_png(), rows=sizes[0], columns=sizes[1],
        pairs=[list(pair) for pair in pairing.pairs], looked=list(pairing.looked),
    )  # fmt: skip
    # Beside the grid where there is room, below it where there is not.
    room = ipywidgets.Layout(flex="1 1 480px", min_width="0", max_width="726px", height="auto")
    picture = ipywidgets.Image(format="png", layout=room)
    code = ipywidgets.HTML()
    draws = dict.fromkeys(RELATIONS, 0)

    def show(*_) -> None:
        pairing.pairs = sorted(map(tuple, grid.pairs))
        pairing.looked = tuple(grid.looked)
        picture.value = pairing.png()
        code.value = f'{len(pairing.pairs)} relations: <code>pairs = "{pairing.code}"</code>'

    def draw(button) -> None:
        relation = button.description
        drawn = []
        if relation in draws:
            epoch = Draw(relation, *sizes, min(sizes), seed=0).epoch(draws[relation])
            drawn, draws[relation] = epoch.tolist(), draws[relation] + 1
        grid.pairs = drawn

    buttons = [ipywidgets.Button(description=name) for name in (*RELATIONS, "none")]
    for button in buttons:
        button.layout.width = "auto"
        button.on_click(draw)
    grid.observe(show, "pairs")
    show()
    below = ipywidgets.HBox([ipywidgets.HTML("draw anew:"), *buttons])
    left = ipywidgets.VBox([grid, below, code], layout=ipywidgets.Layout(max_width="400px"))
    wrap = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
    box = ipywidgets.HBox([left, picture], layout=wrap)
    # For those who steer it by a program, such as tests.
    box.parts = {"grid": grid, "picture": picture, "code": code, "buttons": buttons}
    return box
