"""Diagrams, fields and folders as figures: what stands in them, and what a slider shows."""

import pandas as pd
import pytest
import torch

from fusionlib.losses import BSPLoss
from fusionlib.models import create_model, receptive
from fusionlib.models.stages import stages
from fusionlib.report import (
    architecture_figure,
    own_images_figure,
    receptive_figure,
    stage_slider,
)

SIDE = 64


@pytest.fixture(scope="module")
def inside():
    """The stages, fields and maps of a Transformer at random weights."""
    torch.manual_seed(0)
    model = create_model("bsp-transformer").eval()
    ir, vi = torch.rand(2, 1, 1, SIDE, SIDE)
    local, field = receptive.local_fields(model, SIDE), receptive.effective_fields(model, ir, vi)
    return stages(model, ir, vi), local, field


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_a_diagram_tells_what_was_seen(inside):
    found, *_ = inside
    figure = architecture_figure.architecture(found, SIDE, "caption")
    told = texts(figure)
    for stage in found:
        assert stage.name in told
        shape = "×".join(map(str, stage.shape))
        assert any(text.startswith(f"{shape}\n{stage.parameters:,} weights") for text in told)
    arrows = [p for p in figure.axes[0].patches if hasattr(p, "arrow_patch") or "Arrow" in str(p)]
    assert len(arrows) == sum(len(stage.reads) for stage in found)


def test_the_table_follows_the_fields(inside):
    found, local, field = inside
    table = receptive_figure.stage_table(found, local, {"random": field}).set_index("stage")
    assert table["weights"].sum() == 187_417
    assert tuple(table.loc["F1", ["rows", "columns"]]) == (1, 3)
    assert table.loc["F1", "outside, random"] == 0
    assert (table.loc["E2":"E3", "outside, random"] > 0).all()
    assert (table["side, random"] <= table[["rows", "columns"]].max(axis=1) + 1).all()


def test_the_grid_shows_logarithms_of_shares(inside):
    _, local, field = inside
    figure = receptive_figure.field_grid({"T, random": field}, {"T": local}, "caption", window=32)
    axis = figure.axes[0]
    picture = axis.images[0].get_array()
    assert picture.shape == (32, 9 * 36 - 4)
    assert picture.max() <= 0
    assert [label.get_text() for label in axis.get_xticklabels()] == list(field)
    assert len(axis.patches) == len(field)
    # The field of E1 is one pixel: at its place the value is the largest, 10^0.
    assert picture[16, 16] == 0


def test_without_a_reader_the_grid_stands_for_the_slider(inside, tmp_path):
    found, local, field = inside
    grid = receptive_figure.field_grid({"T, random": field}, {"T": local}, "caption")
    names = [stage.name for stage in found]
    shown = stage_slider.play_stages(["T"], names, None, grid, tmp_path / "fields.png")
    assert shown is grid
    assert (tmp_path / "fields.png").stat().st_size > 1000


def test_the_slider_shows_what_was_drawn_before(inside, tmp_path, monkeypatch):
    found, local, field = inside
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    grid = receptive_figure.field_grid({"T, random": field}, {"T": local}, "caption")
    drawn = []

    def draw(network, name):
        drawn.append(name)
        stage = next(stage for stage in found if stage.name == name)
        made = torch.rand(1, *stage.shape)
        fields = {"random": field[name]}
        return stage_slider.stage_picture(stage, made, local[name], fields, network)

    path = tmp_path / "fields.png"
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    assert stage_slider.play_stages(["T"], ["E1", "R1"], draw, grid, path) is None
    (box,) = displayed
    (_, slider), picture = box.children[0].children, box.children[1]
    before = bytes(picture.value)
    assert drawn == ["E1", "R1"]
    slider.value = "R1"
    assert bytes(picture.value) != before
    assert bytes(picture.value).startswith(b"\x89PNG")
    assert drawn == ["E1", "R1"]  # nothing is drawn while the reader waits


def test_a_contact_sheet_names_every_image_it_shows():
    folders = {"infrared": {f"{k}.png": torch.rand(1, 20 + k, 30) for k in range(12)}}
    folders["visible"] = {"street.jpg": torch.rand(3, 40, 20)}
    figure = own_images_figure.contact_sheet(folders, "caption")
    told = texts(figure)
    assert told[:10] == [f"{k}.png\n30×{20 + k}" for k in range(10)]
    assert told[10:] == ["street.jpg\n20×40"]
    assert [a.get_title() for a in figure.axes[::2]] == [
        "infrared: 10 of 12 images", "visible: 1 images",
    ]  # fmt: skip
    levels = figure.axes[1].patches
    assert sum(bar.get_height() for bar in levels) == pytest.approx(100)


def test_terms_of_a_loss_curve_add_up_to_the_total():
    steps = pd.Series(range(1, 101))
    history = pd.DataFrame({"step": steps, "epoch": 1, "intensity": 1 / steps})
    history["gradient"], history["ssim"] = 2 / steps, 3 / steps
    loss = BSPLoss()
    history["total"] = history["intensity"] + history["gradient"] + 0.2 * history["ssim"]
    axis = own_images_figure.loss_curve(history, loss, "caption").axes[0]
    total, *terms = (line.get_ydata() for line in axis.lines[1:])
    assert sum(terms) == pytest.approx(total)
    assert "0.2 × ssim" in [text.get_text() for text in axis.get_legend().get_texts()]
