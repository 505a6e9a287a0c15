"""Pictures for widgets, as the bytes of a PNG, made while a reader waits."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread inside, on as many as before after it.

    A click needs milliseconds of work. Where a training takes the cores, torch's
    threads wait for each other, up to a second a click.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def png_of_array(picture: np.ndarray) -> bytes:
    """A picture, (H, W) or (H, W, 3 or 4) of uint8; hardly compressed: the reader waits."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", compress_level=1)
    return content.getvalue()


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG, of its own size and dpi."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return png_of_array(np.asarray(canvas.buffer_rgba()))


class Redrawn:
    """A figure whose resting parts are drawn once, and whose moving ones at every call.

    Axes, legends and captions take most of the time of a drawing.

    Args:
        figure: with everything in its place.
        moving: artists of its axes that change from here on, from back to front.
    """

    def __init__(self, figure: Figure, moving: Sequence[Artist]):
        self.moving = moving
        for artist in moving:
            artist.set_animated(True)  # the resting drawing leaves them out
        self._canvas = FigureCanvasAgg(figure)
        self._canvas.draw()
        self._rest = self._canvas.copy_from_bbox(figure.bbox)

    def png(self) -> bytes:
        """The figure as it is now."""
        self._canvas.restore_region(self._rest)
        for artist in self.moving:
            artist.axes.draw_artist(artist)
        return png_of_array(np.asarray(self._canvas.buffer_rgba()))
