"""Words for those who do not see a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import ExifTags, Image

from fusionlib.report.alt_text import LONGEST, alt_text
from fusionlib.report.style import save_figure, set_caption


@pytest.fixture
def figure():
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([1, 2], label="SPTP")
    left.plot([2, 1], label="UPTP")
    left.set(title="loss", xlabel="step", ylabel="total")
    left.legend()
    right.imshow(np.zeros((2, 2)))
    set_caption(figure, "MSRS, 10 images;\nprofile quick")
    yield figure
    plt.close(figure)


def test_it_tells_caption_panels_and_lines(figure):
    words = alt_text(figure)
    assert words.endswith("profile quick; loss: total against step (SPTP, UPTP)")
    assert words.startswith("MSRS, 10 images;")


def test_what_says_nothing_is_a_figure_and_what_says_much_is_cut():
    figure, axis = plt.subplots()
    assert alt_text(figure) == "Figure"
    axis.set_title("word " * 500)
    assert len(alt_text(figure)) <= LONGEST
    plt.close(figure)


def test_it_reaches_the_file_and_jupyter(figure, tmp_path):
    shown = save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.text["Description"] == alt_text(figure)
    save_figure(figure, tmp_path / "figure.webp")
    with Image.open(tmp_path / "figure.webp") as picture:
        assert picture.format == "WEBP"
        assert picture.getexif()[ExifTags.Base.ImageDescription] == alt_text(figure)
    data, metadata = DisplayFormatter().format(shown)
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"] == data["text/plain"] == alt_text(figure)
