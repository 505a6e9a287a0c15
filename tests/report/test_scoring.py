"""Disturbances, what metrics reward, and the figures and the slider that show it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from fusionlib import metrics, report
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.inference import to_levels
from fusionlib.report import scoring, scoring_figures, scoring_slider

ALL = list(metrics.METRICS)


@pytest.fixture(autouse=True)
def _figures_of_this_test():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def pair():
    return open_pairs("scenes", "test", names=["0000D"], size=(192, 208))[0]


@pytest.fixture(scope="module")
def fused(pair):
    return to_levels(scoring.simple_fusion(pair))


@pytest.fixture(scope="module")
def curves(fused, pair):
    return scoring.measure(fused, pair)


@pytest.fixture
def live(monkeypatch):
    """A live notebook: what it displays is collected."""
    shown = []
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


# --- disturbances -----------------------------------------------------------------------


@pytest.mark.parametrize("name", scoring.DISTURBANCES)
def test_a_disturbance_of_nothing_changes_nothing(fused, pair, name):
    nothing = scoring.DISTURBANCES[name].nothing
    assert torch.equal(scoring.disturb(fused, pair, name, nothing), fused)


@pytest.mark.parametrize("name", scoring.DISTURBANCES)
def test_disturbed_images_are_8_bit_images(fused, pair, name):
    for strength in scoring.DISTURBANCES[name].strengths:
        image = scoring.disturb(fused, pair, name, strength)
        assert image.shape == fused.shape
        assert torch.equal(to_levels(image), image)


@pytest.mark.parametrize("name", scoring.DISTURBANCES)
def test_strengths_ascend_and_hold_what_the_table_and_the_slider_need(name):
    kind = scoring.DISTURBANCES[name]
    assert list(kind.strengths) == sorted(set(kind.strengths))
    assert {kind.nothing, *kind.tried.values()} <= {*kind.strengths}
    assert {*kind.damages} <= {*kind.tried}


def test_noise_has_its_strength_and_its_seed(pair):
    grey = torch.full((1, 1, 192, 208), 128 / 255)
    noisy = scoring.disturb(grey, pair, "noise", 10, seed=1)
    assert 255 * (noisy - grey).std().item() == pytest.approx(10, rel=0.02)
    assert 255 * (noisy - grey).mean().item() == pytest.approx(0, abs=0.2)
    assert torch.equal(noisy, scoring.disturb(grey, pair, "noise", 10, seed=1))
    assert not torch.equal(noisy, scoring.disturb(grey, pair, "noise", 10, seed=2))


def test_noise_raises_en_sf_and_ag_of_a_flat_image(pair):
    grey = torch.full((1, 1, 192, 208), 128 / 255)
    noisy = scoring.disturb(grey, pair, "noise", 10)
    for metric in (metrics.en, metrics.sf, metrics.ag, metrics.ei, metrics.sd):
        assert metric(grey).item() == pytest.approx(0, abs=1e-6)
        assert metric(noisy).item() > 1


def test_blur_spreads_a_point_over_its_sigma(pair):
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1.0
    # Before rounding to levels, which would cut off the tails.
    blurred = scoring.DISTURBANCES["blur"].apply(point, None, None, 2, 0)[0, 0]
    offset = torch.arange(65.0) - 32
    assert blurred.sum().item() == pytest.approx(1, rel=1e-5)
    assert (blurred.sum(0) * offset**2).sum().sqrt().item() == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_contrast_scales_the_distance_from_the_mean(pair, gain):
    ramp = torch.linspace(64, 192, 129)[None, None, None].expand(1, 1, 8, 129) / 255
    changed = 255 * scoring.disturb(ramp, pair, "contrast", gain)
    expected = 128 + gain * (255 * ramp - 128)
    torch.testing.assert_close(changed, expected, atol=0.51, rtol=0)


def test_copying_ends_at_the_sources(fused, pair):
    for share, source in ((-1, pair.ir), (1, pair.vi)):
        assert torch.equal(scoring.disturb(fused, pair, "copying", share)[0], source)
    half = scoring.disturb(fused, pair, "copying", 0.5)
    torch.testing.assert_close(half, (fused + pair.vi[None]) / 2, atol=0.51 / 255, rtol=0)


def test_simple_fusion(pair):
    ir, vi = pair.ir[None], pair.vi[None]
    assert torch.equal(scoring.simple_fusion(pair, "mean"), (ir + vi) / 2)
    assert torch.equal(scoring.simple_fusion(pair, "max"), torch.maximum(ir, vi))
    with pytest.raises(FusionError, match="'median'"):
        scoring.simple_fusion(pair, "median")


# --- scores and gains -------------------------------------------------------------------


def test_scores_are_those_of_the_metrics(fused, pair):
    values = scoring.scores(fused, pair)
    assert list(values.index) == ALL
    ir, vi = pair.ir[None], pair.vi[None]
    assert values["EN"] == metrics.en(fused).item()
    assert values["VIF"] == pytest.approx(metrics.vif(fused, ir, vi).item(), rel=1e-5)
    labels = scoring.scores(fused, pair, "regionfuse").index
    assert {"AG (pixels)", "AG (inner)"} <= {*labels}


def test_colour_of_the_visible_image_costs_no_delta_e(pair):
    # Its own luma, before rounding, has its own colours again.
    luma = scoring.rgb_to_ycbcr(pair.vi_rgb[None])[:, :1]
    assert scoring.scores(luma, pair)["ΔE"] == pytest.approx(0, abs=0.01)


def test_gains_follow_the_direction_of_the_metric():
    start = pd.Series({"EN": 5.0, "MSE": 200.0, "AG (inner)": 4.0, "SCD": -0.5, "CC": 0.0})
    after = pd.Series({"EN": 6.0, "MSE": 100.0, "AG (inner)": 2.0, "SCD": -0.4, "CC": 0.0})
    gains = scoring.gains(after, start)
    assert gains.to_dict() == pytest.approx(
        {"EN": 20, "MSE": 50, "AG (inner)": -50, "SCD": 20, "CC": 0}
    )


def test_measure_has_a_row_a_strength_and_metric(fused, pair, curves):
    kinds = scoring.DISTURBANCES
    assert len(curves) == sum(len(kind.strengths) for kind in kinds.values()) * len(ALL)
    assert np.isfinite(curves[["value", "gain"]]).all(axis=None)
    start = scoring.scores(fused, pair)
    for name, kind in kinds.items():
        here = curves[(curves["disturbance"] == name) & (curves["strength"] == kind.nothing)]
        assert (here["gain"] == 0).all()
        assert here["value"].tolist() == start.tolist()
    # One of the others, scored anew.
    image = scoring.disturb(fused, pair, "blur", 2)
    here = curves[(curves["disturbance"] == "blur") & (curves["strength"] == 2)]
    assert here["value"].tolist() == scoring.scores(image, pair).tolist()


def test_measuring_only_the_tried_strengths_gives_the_same_table(fused, pair, curves):
    few = scoring.measure(fused, pair, only_tried=True)
    assert len(few) == 6 * len(ALL)
    pd.testing.assert_frame_equal(scoring.tried(few), scoring.tried(curves))


def test_known_answers_of_metrics_to_disturbances(curves):
    gains = scoring.tried(curves)
    alone = ["EN", "SD", "SF", "AG", "EI"]  # of the fused image alone
    assert (gains.loc[alone, "noise σ 10"] > 1).all()
    shared = ["MI", "NMI", "VIF", "Qabf", "SSIM", "MS-SSIM"]
    assert (gains.loc[shared, ["noise σ 10", "blur σ 2"]] < -1).all(axis=None)
    assert (gains.loc[["SF", "AG", "EI", "Qabf"], "blur σ 2"] < -50).all()
    # Halving every difference halves these, up to rounding to levels.
    assert gains.loc[["SD", "SF", "AG"], "contrast ×0.5"].tolist() == pytest.approx(
        [-50] * 3, abs=2
    )
    assert gains.loc["MI", ["only infrared", "only visible"]].min() > 20
    assert gains.loc["SCD", ["only infrared", "only visible"]].max() < -1


def test_fooled_needs_all_pairs():
    columns = [name for kind in scoring.DISTURBANCES.values() for name in kind.tried]
    first = pd.DataFrame(0.0, index=["EN", "SSIM", "VIF"], columns=columns)
    second = first.copy()
    first.loc["EN"] = second.loc["EN"] = 5.0
    first.loc["SSIM", "blur σ 2"], second.loc["SSIM", "blur σ 2"] = 5.0, -5.0
    first.loc["VIF", "noise σ 10"] = second.loc["VIF", "noise σ 10"] = scoring.MOVES / 2
    fooled = scoring.fooled([first, second])
    # More contrast may well be better: rising with it is no folly.
    damages = "noise σ 10, blur σ 2, contrast ×0.5, only infrared, only visible"
    assert fooled.to_dict() == {"EN": damages, "SSIM": "", "VIF": ""}
    assert scoring.fooled([first])["SSIM"] == "blur σ 2"
    signs = scoring.common_sign([first, first])
    assert signs.loc["SSIM", "blur σ 2"] == 1
    assert scoring.common_sign([-first, -first]).loc["EN", "noise σ 10"] == -1


# --- ranges, stretch and conventions ----------------------------------------------------


def test_ssim_by_range_is_the_metric_and_its_maps(fused, pair):
    table, maps, variances = scoring.ssim_by_range(fused, pair)
    assert list(table["data_range"]) == [2, 1, 255]
    for row in table.itertuples():
        value = metrics.ssim(fused, pair.ir[None], pair.vi[None], data_range=row.data_range)
        assert abs(value.item() - row.SSIM) < 1e-4
        assert maps[row.data_range].mean().item() == pytest.approx(row.SSIM)
        assert row.c2 == pytest.approx((0.03 * row.data_range) ** 2)
    assert table["SSIM"].iloc[2] > table["SSIM"].iloc[0] + 0.1
    # One window, by hand.
    window = [255 * x.double()[0, 50:57, 60:67] for x in (fused[0], pair.ir, pair.vi)]
    by_hand = [(window[0].var(correction=0) + s.var(correction=0)).item() for s in window[1:]]
    assert variances[:, 50, 60].tolist() == pytest.approx(by_hand)
    decided = 100 * (variances < table["c2"].iloc[2]).double().mean().item()
    assert table["decided"].iloc[2] == pytest.approx(decided)


def test_stretching_an_8_bit_image_leaves_en_and_mi(fused, pair):
    before, after = (scoring.scores(x, pair) for x in (fused, to_levels(fused, "stretch")))
    assert after[["EN", "MI"]].tolist() == pytest.approx(before[["EN", "MI"]].tolist(), abs=1e-5)
    assert after["SD"] > before["SD"] + 1


def test_by_convention_shows_where_they_differ(fused, pair):
    table = scoring.by_convention(fused, pair)
    assert list(table.columns) == list(metrics.CONVENTIONS)
    assert {"MI", "SSIM", "AG", "PSNR"} <= {*table.index}
    assert "EN" not in table.index
    nats = metrics.mi(fused, pair.ir[None], pair.vi[None]).item()
    assert table.loc["MI", "bsp"] == f"{nats:.3f}"
    assert table.loc["MI", "standard"] == f"{nats / np.log(2):.3f}"
    assert table.loc["AG", "regionfuse"].startswith(table.loc["AG", "bsp"] + " or ")


def test_examples_are_rendered_at_smoke_and_may_be_chosen():
    first, second = scoring.examples("smoke")
    assert (first.dataset, first.names, second.names) == ("scenes", ("0000D",), ("0001N",))
    assert first[0].ir.shape[1:] == scoring.SCENE_SIZE
    chosen = scoring.examples("smoke", image="scenes/0001N")
    assert [pairs.names for pairs in chosen] == [("0001N",), ("0000D",)]
    with pytest.raises(FusionError, match="'0001N'"):
        scoring.examples("smoke", image="0001N")


def test_examples_on_real_data(data_root):
    found = scoring.examples("quick", str(data_root))
    assert [f"{pairs.dataset}/{pairs.names[0]}" for pairs in found] == [*scoring.PAIRS["quick"]]
    # A set that forbids pictures must not come into a results folder.
    assert not any("LLVIP" in name for names in scoring.PAIRS.values() for name in names)


# --- figures ----------------------------------------------------------------------------


def test_curves_figure_has_all_metrics_in_every_column(curves):
    figure = scoring_figures.curves_figure(curves, "rendered scenes 0000D")
    assert [axis.get_title() for axis in figure.axes] == list(scoring.DISTURBANCES)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [scoring_figures.with_arrow(metric) for metric in ALL]
    assert "CE ↓" in labels
    assert "rendered scenes 0000D" in figure.texts[0].get_text()
    # The course of SF under noise: its row, up where it is better, cut at a row's height.
    noise = curves[(curves["disturbance"] == "noise") & (curves["metric"] == "SF")]
    lines = [line.get_ydata() for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 9]
    row = ALL.index("SF")
    expected = row - noise["gain"].clip(-100, 100) * 0.44 / 100
    np.testing.assert_allclose(lines[row], expected)
    assert lines[row][-1] < row


def test_rewards_colours_only_what_all_pairs_agree_on(curves):
    first = scoring.tried(curves)
    second = first.copy()
    second.loc["SF", "noise σ 10"] *= -1
    html = scoring_figures.rewards([first, second]).to_html()
    assert "fooled by" in html
    agreed, turned = (
        scoring_figures.rewards(tables)._compute().ctx for tables in ([first], [first, second])
    )
    place = (ALL.index("SF"), 0)
    assert ("color", scoring_figures.BETTER) in agreed[place]
    assert ("color", "gray") in turned[place]


def test_ssim_figure_shows_the_values_and_the_constants(fused, pair):
    table, maps, variances = scoring.ssim_by_range(fused, pair)
    figure = scoring_figures.ssim_figure(table, maps, variances, "rendered scenes 0000D")
    titles = [axis.get_title() for axis in figure.axes]
    assert f"range 255: SSIM {table['SSIM'].iloc[2]:.3f}" in titles
    (histogram,) = (axis for axis in figure.axes if axis.get_ylabel() == "% of windows")
    lines = sorted(10 ** line.get_xdata()[0] for line in histogram.get_lines())
    assert lines == pytest.approx(sorted(table["c2"]))
    assert figure.get_supxlabel() == "rendered scenes 0000D"


def test_stretch_figure_draws_the_histograms(fused):
    figure = scoring_figures.stretch_figure({"a": fused, "b": to_levels(fused, "stretch")}, "c")
    heights = [sum(bar.get_height() for bar in axis.patches) for axis in figure.axes[2:]]
    assert heights == pytest.approx([100, 100])
    shown = [axis.get_images()[0].get_array() for axis in figure.axes[:2]]
    assert shown[1].max() == 255 > shown[0].max()


def test_figures_of_a_data_set_are_scaled_down():
    image = torch.full((1, 1, 480, 640), 0.5)
    assert scoring_figures.small(image).shape == (240, 320)
    assert scoring_figures.small(image).max() == pytest.approx(127.5)


# --- the slider -------------------------------------------------------------------------


@pytest.fixture
def board(fused, pair, curves):
    boxes = report.telling_boxes(pair.ir, pair.vi)
    return scoring_slider.Board(fused, pair, curves, boxes, "rendered scenes 0000D")


def widths(board):
    return dict(zip(ALL, (bar.get_width() for bar in board.bars), strict=True))


def test_board_shows_the_image_and_the_measured_gains(board, curves, pair):
    board.move("copying", 1)
    shown = np.asarray(board.images[0].get_array())
    np.testing.assert_allclose(shown, 255 * pair.vi[0].numpy(), atol=1e-3)
    rows, columns = board.crops[0]
    zoomed = np.asarray(board.images[1].get_array())
    np.testing.assert_allclose(zoomed, shown[rows, columns], atol=1e-3)
    here = curves[(curves["disturbance"] == "copying") & (curves["strength"] == 1)]
    for row, bar, text in zip(here.itertuples(), board.bars, board.texts, strict=True):
        assert bar.get_width() == pytest.approx(np.clip(row.gain, -100, 100))
        assert text.get_text().endswith(f"→ {row.value:.4g}")
    colours = dict(zip(ALL, (bar.get_facecolor() for bar in board.bars), strict=True))
    assert colours["MI"] == to_rgba(scoring_figures.BETTER)
    assert colours["MSE"] == to_rgba(scoring_figures.WORSE)


def test_board_of_nothing_has_no_bars(board):
    board.move("noise", 10)
    assert any(widths(board).values())
    board.move("contrast", 1)
    assert not any(widths(board).values())
    assert {bar.get_facecolor() for bar in board.bars} == {to_rgba(scoring_slider.UNMOVED)}


def test_play_without_a_live_notebook_is_one_position(board, monkeypatch, tmp_path):
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: False)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = scoring_slider.play(board, tmp_path / "slider.png")
    assert isinstance(figure, Figure)
    assert shown == []
    assert widths(board)["SF"] > 10  # noise
    with Image.open(tmp_path / "slider.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10


def test_play_in_a_live_notebook_moves_the_figure(board, live, tmp_path):
    import ipywidgets

    assert scoring_slider.play(board, tmp_path / "slider.png") is None
    (box,) = live
    controls, picture = box.children
    menu, slider = controls.children
    assert isinstance(picture, ipywidgets.Image)
    assert list(menu.options) == list(scoring.DISTURBANCES)
    before, bars = picture.value, widths(board)
    slider.value = 3
    assert picture.value != before
    assert 0 < widths(board)["SF"] < bars["SF"]
    for name, kind in scoring.DISTURBANCES.items():
        menu.value = name
        assert slider.options == kind.strengths
        for strength in (kind.strengths[-1], kind.strengths[0]):
            slider.value = strength
            assert board.images[0].axes.get_title().startswith(f"{name} {strength:g} ")
    assert plt.get_fignums() == []


def test_menu_begins_at_the_undisturbed_image(board, live, tmp_path):
    scoring_slider.play(board, tmp_path / "slider.png")
    menu, slider = live[0].children[0].children
    menu.value = "contrast"
    assert slider.value == 1
    assert not any(widths(board).values())
