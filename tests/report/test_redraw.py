"""Drawing a figure again, and pictures of arrays."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from fusionlib.report.redraw import Redrawn, one_thread, png_of_array


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_an_array_survives_its_png(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(decoded(png_of_array(picture)), picture)


def drawing(value: float):
    figure = Figure(figsize=(2, 1.5), dpi=100)
    axis = figure.add_subplot()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    (line,) = axis.plot([0, 1], [value, value], label="level")
    axis.legend(loc="lower left")
    axis.set_title(f"at {value}")
    return figure, axis, line


def test_redrawn_is_what_a_new_drawing_shows():
    figure, axis, line = drawing(0.9)
    redrawn = Redrawn(figure, [line, axis.title])
    first = decoded(redrawn.png())
    line.set_ydata([0.7, 0.7])
    axis.set_title("at 0.7")
    figure, axis, line = drawing(0.7)
    anew = decoded(Redrawn(figure, [line, axis.title]).png())
    second = decoded(redrawn.png())
    assert second.shape == (150, 200, 4)
    assert (first != second).any()
    np.testing.assert_array_equal(second, anew)


def test_one_thread_is_given_back_even_after_an_error():
    @one_thread()
    def failing():
        raise ValueError(f"on {torch.get_num_threads()}")

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="on 1"):
        failing()
    assert torch.get_num_threads() == before
