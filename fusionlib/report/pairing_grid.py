"""The widget in which a reader says which infrared patch meets which visible one."""

from pathlib import Path

import anywidget
import traitlets

_HERE = Path(__file__).parent


class PairingGrid(anywidget.AnyWidget):
    """A grid of cells to click: infrared patches as rows, visible ones as columns.

    sprite: one PNG of (rows + 1) x (columns + 1) small pictures of one size:
        the visible patches first, after an empty corner, then a row for each
        infrared patch with what becomes of its meetings.
    rows, columns: how many patches.
    pairs: the chosen relations, [infrared, visible] each; a click takes one
        in, or out again.
    looked: the relation that was clicked last.

    Enter and space click a cell as well, and the arrow keys move on.
    """

    _esm = _HERE / "pairing_grid.js"
    _css = _HERE / "pairing_grid.css"
    sprite = traitlets.Bytes().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    pairs = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    looked = traitlets.List(traitlets.Int()).tag(sync=True)
