"""Figures of regions, experts and gradients, and what is counted for them."""

import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from IPython.display import Image
from matplotlib.figure import Figure

from fusionlib import report
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.models.region_attention import Router, attend_inside
from fusionlib.report import consistency_figure, contrast, region_figures
from fusionlib.report.grain import grain_of
from fusionlib.training import open_run
from tests.training.small import go, tiny

PAIR = open_pairs("scenes", "test", names=["0001N"], size=(64, 96))[0]


@pytest.fixture
def routing():
    torch.manual_seed(0)
    return Router(16, 3, 2, 8).eval()(torch.randn(1, 24, 16))


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))


def test_weights_of_a_token_are_those_that_attention_gives(routing):
    q, k, v = torch.randn(3, 1, 24, 16)
    found = torch.stack([region_figures.weights_of(q, k, routing, token) for token in range(24)])
    torch.testing.assert_close(found.sum(1), torch.ones(24))
    expected = attend_inside(q, k, v, routing)[0]
    torch.testing.assert_close(found @ v[0], expected, rtol=1e-4, atol=1e-5)


def test_experts_and_attention_are_drawn_by_region(routing):
    image = torch.rand(1, 8, 12)
    figure = region_figures.expert_maps(image, routing, 2, 3, 4, "caption")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:4] == ["image", "expert 0", "expert 1", "expert 2"]
    drawn = [axis.images[0].get_array() for axis in figure.axes[1:4]]
    assert np.allclose(sum(drawn), 2)  # each token goes to two
    assert sum(figure.axes[1].images[0].get_clim()) / 2 == pytest.approx(2 / 3)  # K / E is white
    weights = torch.full((24,), 1 / 24)
    figure = region_figures.attention_map(image, weights, 7, 2, 3, 4, "caption")
    # Token 7: channel 1, region 1 of the first row; all regions alike.
    assert figure.axes[0].patches[0].get_xy() == (4, 0)
    assert np.allclose(figure.axes[1].images[0].get_array(), 1 / 6)


def test_who_decides_is_told_apart(routing):
    def parts(first):  # (channels, regions): whether a token goes to expert 0, else to 1
        sent = torch.stack((first, ~first), -1).flatten(0, 1)[None]
        return region_figures.decided_by(dataclasses.replace(routing, chosen=sent), 2, 3)

    alike = torch.tensor([True, False, False, True])[:, None].expand(4, 6)
    assert parts(alike) == pytest.approx({"channel": 1, "region": 0, "both": 0})
    places = torch.tensor([True, False, True, True, False, False])[None].expand(4, 6)
    assert parts(places) == pytest.approx({"channel": 0, "region": 1, "both": 0})
    assert parts(alike ^ places) == pytest.approx({"channel": 0, "region": 0, "both": 1})
    assert all(np.isnan(x) for x in parts(torch.ones(4, 6, dtype=torch.bool)).values())


def test_allocation_has_a_panel_a_row_and_no_line_for_experts_that_are_not_there():
    rows = [
        {"mode": mode, "epoch": epoch}
        | {f"round_{n}_expert_{k}": share for n in (1, 2, 3) for k, share in enumerate(shares)}
        for mode, shares in (("E2", (0.5, 0.5)), ("E3", (0.5, 0.25, 0.25)))
        for epoch in (1, 2)
    ]
    courses = pd.DataFrame(rows)
    figure = report.allocation(courses, 1, "caption")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [f"{mode}, round {n}" for mode in ("E2", "E3") for n in (1, 2, 3)]
    assert [len(axis.collections) for axis in figure.axes] == [2] * 3 + [3] * 3


def test_grain_is_what_moves_where_sources_do_not():
    flat = torch.full((1, 16, 16), 0.5)
    checked = flat + 0.1 * (torch.arange(16) % 2 * 2 - 1.0)
    assert grain_of(flat, flat, flat) == pytest.approx(0, abs=1e-4)
    # A row of a checked image differs from its mean of three by 2/3 of 0.2.
    assert grain_of(checked, flat, flat) == pytest.approx(255 * 0.4 / 3, rel=0.01)
    # What a source shows is none.
    half = flat.clone()
    half[..., 8:] = checked[..., 8:]
    assert grain_of(half, half, flat) == pytest.approx(0, abs=1e-4)


def test_grain_has_a_row_an_image_and_run(tmp_path):
    runs = {"one": [go(tiny(steps=1))]}
    test = open_pairs("scenes", "test", names=["0001N"], size=(64, 96))
    table = report.grain(runs, test, "plain", tmp_path / "grain.csv")
    assert table.columns.tolist() == ["test_set", "mode", "seed", "key", "image", "grain"]
    assert len(table) == 1
    assert table["grain"].item() > 0


def test_grain_that_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    runs = {"one": [go(tiny(steps=1))]}
    test = open_pairs("scenes", "test", names=["0001N"], size=(64, 96))
    table = report.grain(runs, test, "plain", tmp_path / "grain.csv")
    report.write_table(table, tmp_path / "grain.csv")
    report.write_record(tmp_path, {"protocol": "plain"}, {"grain": 1}, [test], runs["one"])
    # report.grain is the function; this is its module.
    monkeypatch.setattr(sys.modules[report.grain.__module__], "fuse", None)
    again = report.grain(runs, test, "plain", tmp_path / "grain.csv")
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(TypeError):  # another protocol is measured
        report.grain(runs, test, "released", tmp_path / "grain.csv")


def test_contrast_is_stretched_about_the_mean():
    image = torch.tensor([[[0.2, 0.4, 0.6]]])
    assert contrast.enhanced(image, 2).flatten().tolist() == pytest.approx([0.0, 0.4, 0.8])
    assert torch.equal(contrast.enhanced(image, 1), image)


def test_what_of_the_infrared_is_there():
    ir = torch.tensor([0.2, 0.4, 0.9])
    half = contrast.alike(0.1 + 0.5 * ir, ir)
    assert half["correlation"] == pytest.approx(1)
    assert half["share"] == pytest.approx(0.5)
    assert half["distance"] == pytest.approx(255 * (0.1 - 0.5 * ir).abs().mean().item())
    assert all(value != value for value in contrast.alike(ir[:0], ir[:0]).values())


def test_contrast_panels_show_both_versions_and_stand_in(tmp_path, monkeypatch):
    networks = {"CNN": go(tiny(steps=1))}
    how = (PAIR, 2.5, "plain", "rendered scenes", tmp_path)
    table, figure = report.contrast_panels(networks, *how)
    assert isinstance(figure, Figure)
    assert table["visible"].tolist() == [contrast.AS_IT_IS, contrast.ENHANCED]
    assert table["correlation"].between(-1, 1).all()
    report.write_table(table, tmp_path / "table.csv")
    report.write_record(tmp_path, {}, {}, runs=list(networks.values()))
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
    elsewhere = {"CNN": open_run(tiny(steps=1))}
    again, picture = report.contrast_panels(elsewhere, *how)
    assert isinstance(picture, Image)
    pd.testing.assert_frame_equal(again, table, rtol=1e-4)
    with pytest.raises(FusionError, match="CNN is not trained"):
        report.contrast_panels({"CNN": open_run(tiny(steps=2))}, *how)


def test_balance_is_drawn_where_both_losses_count():
    rows = [
        {"mode": mode, "seed": 0, "step": step, "fusion": 1.0, "csc": 2.0, "agreement": 0.5,
         "classes": 3.0, "stage": stage, "lambda_fusion": 1.0, "lambda_csc": 0.1}
        for mode, begins in (("GDWA", 2), ("w/o L_csc", 9))
        for step in range(4)
        for stage in (1 + (step >= begins),)
    ]  # fmt: skip
    figure = report.balance_curves(pd.DataFrame(rows), "caption")
    drawn = {
        axis.get_title(): [line for line in axis.lines if len(line.get_xdata())]
        for axis in figure.axes
    }
    assert len(drawn.pop("fusion loss")) == 2
    assert not drawn.pop("")  # the legend's place
    assert len(drawn) == 4
    for (line,) in drawn.values():
        assert list(line.get_xdata()) == [2, 3]
    legend = figure.axes[-1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["GDWA", "w/o L_csc"]


def test_pulls_are_drawn_at_the_measured_angle():
    cosines = [0.3, 0.5, 0.7] * 20
    courses = pd.DataFrame({"stage": [1] + [2] * 60, "cosine": [-1, *cosines]})
    pulled = pd.DataFrame({"seed": [0, 0, 1], "step": [30, 60, 60], "projection": [0.1, 0.2, 0.3]})
    figure = report.pull_panels(courses, pulled, "caption")
    assert figure.axes[2].get_title() == "60° by the mean cosine, 46° to 73°"
    assert [line.get_label() for line in figure.axes[0].lines][:2] == ["seed 0", "seed 1"]
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 60


def test_the_warmest_patch_is_of_both_images():
    ir, vi = consistency_figure.warmest_patch(PAIR, 32)
    assert ir.shape == vi.shape == (1, 3, 32, 32)
    assert torch.equal(ir[:, 0], ir[:, 2])
    assert ir.mean() > PAIR.ir.mean()


def test_consistency_panels_show_who_labels():
    a, b = torch.zeros(2, 3, 4, 4)
    a[1] = 5.0  # sure of class 1 everywhere
    b[2, :, 2:] = 9.0  # surer of class 2 on the right
    figure = consistency_figure.consistency_panels(torch.rand(3, 4, 4), a, b, "caption")
    shown = {axis.get_title(): axis.images[0].get_array() for axis in figure.axes if axis.images}
    assert shown["A labels (yellow) or B"].tolist() == [[1, 1, 0, 0]] * 4
    assert not shown["they agree (white)"][:, 2:].any()
