"""The widget behind the explorer: two images, a curtain between them, one enlarged box in both."""

from pathlib import Path

import anywidget
import traitlets

_HERE = Path(__file__).parent


class Curtain(anywidget.AnyWidget):
    """Two images of one scene that a reader compares by dragging.

    left, right: PNG bytes of one size; their names stand on them.
    scene: what is shown, for readers who cannot see it.
    position: of the curtain, 0 to 1 from the left.
    box: of the enlargement, as `panels` has it: centre x, centre y, side.
    shown: a count that changes with the images; the page repeats it once they
        are drawn.

    Dragging asks no kernel: it is told where curtain and box were let go.
    """

    _esm = _HERE / "curtain.js"
    _css = _HERE / "curtain.css"
    left = traitlets.Bytes().tag(sync=True)
    right = traitlets.Bytes().tag(sync=True)
    left_name = traitlets.Unicode().tag(sync=True)
    right_name = traitlets.Unicode().tag(sync=True)
    scene = traitlets.Unicode().tag(sync=True)
    position = traitlets.Float(0.5).tag(sync=True)
    box = traitlets.List(traitlets.Float(), [0.5, 0.5, 0.22]).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)
