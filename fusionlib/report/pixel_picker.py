"""The widget in which a reader points at a pixel of an image."""

from pathlib import Path

import anywidget
import traitlets

_HERE = Path(__file__).parent


class PixelPicker(anywidget.AnyWidget):
    """An image to click; the arrow keys move the mark by one pixel.

    image: PNG bytes; name: what it shows, for readers who cannot see it.
    place: the chosen pixel, [row, column], counted in the image.
    margin: pixels along the border that can't be chosen.
    """

    _esm = _HERE / "pixel_picker.js"
    _css = _HERE / "pixel_picker.css"
    image = traitlets.Bytes().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    place = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    margin = traitlets.Int(0).tag(sync=True)
