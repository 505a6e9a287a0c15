"""Figures: the right data in the right panels, boxes where they belong, none left open."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from fusionlib import report
from fusionlib.report.panels import pixels
from fusionlib.report.style import PARADIGM_COLOURS

# The package's name `browse` is the function: the module is found by its path.


@pytest.fixture(autouse=True)
def _figures_of_this_test():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def texts(figure):
    return " ".join(text.get_text() for text in figure.texts)


def lines_of(axis):
    return [np.asarray(line.get_xydata(), dtype=float) for line in axis.get_lines()]


# --- numbers ----------------------------------------------------------------------------


@pytest.fixture
def comparison():
    rows = [
        {"test_set": test_set, "mode": mode, "trainable": 150, "metric": metric,
         "paper": paper, "ours": 2.0 * place + shift, "spread": 0.25}
        for test_set, shift in (("MSRS", 0.0), ("scenes", 0.5))
        for place, (mode, paper) in enumerate((("SPTP", 1.0), ("UPTP", float("nan"))))
        for metric in ("EN", "MI", "VIF")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_points_has_a_panel_a_test_set_and_metric(comparison):
    figure = report.points(comparison, "rendered scenes")
    assert len(figure.axes) == 2 * 3
    assert [axis.get_title() for axis in figure.axes[:3]] == ["EN", "MI", "VIF"]
    assert [figure.axes[place].get_ylabel() for place in (0, 3)] == ["MSRS", "scenes"]
    assert "rendered scenes" in texts(figure)
    assert "hollow: paper" in texts(figure)


def test_points_draws_paper_hollow_ours_filled_and_twice_the_spread(comparison):
    axis = report.points(comparison).axes[3]  # scenes, EN
    hollow = [line for line in axis.get_lines() if line.get_markerfacecolor() == "white"]
    assert [float(line.get_xdata()[0]) for line in hollow[:1]] == [1.0]
    assert np.isnan(hollow[1].get_xdata()[0])  # the paper has no number: nothing is drawn
    centres = [float(c.lines[0].get_xdata()[0]) for c in axis.containers]
    assert centres == [0.5, 2.5]
    ends = [c.lines[2][0].get_segments()[0][:, 0] for c in axis.containers]
    np.testing.assert_allclose(ends, [[0.0, 1.0], [2.0, 3.0]])
    colours = [to_rgba(c.lines[0].get_color()) for c in axis.containers]
    assert colours == [to_rgba(PARADIGM_COLOURS[mode]) for mode in ("SPTP", "UPTP")]


def test_points_reads_from_top_to_bottom(comparison):
    axis = report.points(comparison).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["SPTP 150", "UPTP 150"]
    low, high = axis.get_ylim()
    assert low > high


def test_points_labels_each_test_set_with_its_own_rows(comparison):
    lacks = comparison[(comparison["test_set"] == "MSRS") | (comparison["mode"] == "UPTP")]
    first, second = (report.points(lacks).axes[place] for place in (0, 3))
    assert [label.get_text() for label in first.get_yticklabels()] == ["SPTP 150", "UPTP 150"]
    assert [label.get_text() for label in second.get_yticklabels()] == ["UPTP 150"]


def test_points_keeps_a_row_at_its_height_where_another_lacks_the_metric(comparison):
    lacks = comparison[(comparison["mode"] == "UPTP") | (comparison["metric"] == "EN")]
    first, last = (report.points(lacks).axes[place] for place in (0, 2))  # MSRS: EN, VIF
    assert [label.get_text() for label in first.get_yticklabels()] == ["SPTP 150", "UPTP 150"]
    assert [float(c.lines[0].get_ydata()[0]) for c in last.containers] == [1.0]


@pytest.fixture
def losses():
    rows = [
        {
            "model": model,
            "mode": mode,
            "seed": seed,
            "step": step,
            "total": start / step + seed,
            "ssim": 0.5,
        }
        for model in ("bsp-cnn", "bsp-gan")
        for mode, start in (("SPTP", 4.0), ("UPTP", 8.0))
        for seed in (0, 1)
        for step in (1, 2, 4)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def scores(losses):
    return losses.assign(SSIM=1 - losses["total"] / 100)[["model", "mode", "seed", "step", "SSIM"]]


def test_game_curves_draw_every_seed_and_each_critic(losses):
    game = losses.assign(seed=losses["seed"], saliency_critic=-0.5, detail_critic=-1.5)
    figure = report.game_curves(game, "rendered scenes")
    titles = [axis.get_title() for axis in figure.axes]
    assert [title.split(",")[0] for title in titles] == [
        "generator", "saliency critic", "detail critic",
    ]  # fmt: skip
    seeds = game["seed"].nunique()
    for axis, value in zip(figure.axes[1:], (-0.5, -1.5), strict=True):
        curves = [line for line in axis.get_lines() if line.get_label().startswith("seed")]
        assert len(curves) == seeds
        assert all((line.get_ydata() == value).all() for line in curves)
    assert "rendered scenes" in texts(figure)


def test_training_curves_are_means_with_the_range_over_seeds(losses, scores):
    figure = report.training_curves(losses, scores, "SSIM", "rendered scenes, 2 images")
    assert [axis.get_title() for axis in figure.axes] == [
        "(a) CNN: training loss", "(b) CNN: SSIM on the test images",
        "(c) GAN: training loss", "(d) GAN: SSIM on the test images",
    ]  # fmt: skip
    left, right = figure.axes[:2]
    sptp, uptp = (line for line in lines_of(left) if len(line))
    np.testing.assert_allclose(sptp, [[1, 4.5], [2, 2.5], [4, 1.5]])
    np.testing.assert_allclose(uptp, [[1, 8.5], [2, 4.5], [4, 2.5]])
    band = left.collections[0].get_paths()[0].vertices  # SPTP: from seed 0 to seed 1
    np.testing.assert_allclose(band[band[:, 0] == 1][:, 1].min(), 4.0)
    np.testing.assert_allclose(band[band[:, 0] == 1][:, 1].max(), 5.0)
    scored = [line for line in lines_of(right) if len(line)]
    np.testing.assert_allclose(scored[1], [[1, 0.915], [2, 0.955], [4, 0.975]])
    assert right.get_ylabel() == "SSIM"
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["SPTP", "UPTP"]
    for axis in (left, right):
        colours = [to_rgba(line.get_color()) for line in axis.get_lines() if len(line.get_xdata())]
        assert colours == [to_rgba(PARADIGM_COLOURS[mode]) for mode in ("SPTP", "UPTP")]
    assert texts(figure) == "rendered scenes, 2 images"


def test_smooth_is_the_mean_over_equal_stretches():
    steps = np.arange(1, 13)
    runs = pd.concat(
        pd.DataFrame({"mode": mode, "step": steps, "total": start + steps})
        for mode, start in (("SPTP", 0.0), ("APTP", 100.0))
    )
    smoothed = report.smooth(runs, ["mode"], points=4)
    assert list(smoothed["mode"]) == ["SPTP"] * 4 + ["APTP"] * 4
    assert list(smoothed["step"]) == [3, 6, 9, 12] * 2
    assert list(smoothed["total"]) == [2, 5, 8, 11, 102, 105, 108, 111]


def test_smooth_leaves_short_trainings_as_they_are():
    short = pd.DataFrame({"mode": "SPTP", "step": [1, 2, 3], "total": [3.0, 2.0, 1.0]})
    pd.testing.assert_frame_equal(report.smooth(short, ["mode"]), short)


def test_smooth_never_goes_beyond_the_last_step():
    run = pd.DataFrame({"mode": "SPTP", "step": range(1, 12), "total": 1.0})
    assert list(report.smooth(run, ["mode"], points=4)["step"]) == [2, 4, 6, 8, 10, 11]


def test_curve_ends(losses, scores):
    ends = report.curve_ends(losses, scores, ["total", "ssim"], "SSIM")
    assert list(ends["model"]) == ["bsp-cnn"] * 2 + ["bsp-gan"] * 2
    assert list(ends["mode"]) == ["SPTP", "UPTP"] * 2
    assert list(ends["seeds"]) == [2] * 4
    assert list(ends["total"]) == [1.5, 2.5] * 2
    np.testing.assert_allclose(ends["total std"], 0.5**0.5)
    np.testing.assert_allclose(ends["SSIM"], [0.985, 0.975] * 2)
    assert list(ends["ssim std"]) == [0] * 4


def test_curve_ends_of_one_seed_have_no_deviation_and_no_nan(losses, scores):
    one = [table[table["seed"] == 1] for table in (losses, scores)]
    ends = report.curve_ends(*one, ["total"], "SSIM")
    assert list(ends.columns) == ["model", "mode", "seeds", "total", "SSIM"]
    assert not ends.isna().any(axis=None)


# --- images -----------------------------------------------------------------------------


def scene(height, width, channels=1):
    return torch.rand(channels, height, width)


SIZES = [(480, 640), (481, 641), (97, 131), (40, 60), (1024, 1280), (200, 90), (19, 23)]
CORNERS = ((0.0, 0.0, 0.3), (1.0, 1.0, 0.3))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_panel_boxes_lie_inside_the_image_and_show_what_they_frame(height, width):
    images = {"ir": scene(height, width), "vi": scene(height, width, 3)}
    figure = report.panels(images, "caption", CORNERS)
    assert len(figure.axes) == 2 * (1 + 2)
    for first in (0, 3):
        axis = figure.axes[first]
        left, right, bottom, top = axis.get_images()[0].get_extent()
        assert len(axis.patches) == 2
        for box, inset in zip(axis.patches, figure.axes[first + 1 : first + 3], strict=True):
            assert left <= box.get_x() < box.get_x() + box.get_width() <= right
            assert top <= box.get_y() < box.get_y() + box.get_height() <= bottom
            assert box.get_width() == box.get_height()
            assert to_rgba(box.get_edgecolor()) == to_rgba(inset.spines["left"].get_edgecolor())
        one, other = axis.patches
        assert (one.get_x(), one.get_y()) == (left, top)
        assert (other.get_x() + other.get_width(), other.get_y() + other.get_height()) == (
            right,
            bottom,
        )


def test_inset_enlarges_the_framed_pixels():
    image = torch.zeros(1, 100, 100)
    image[:, 40:60, 10:30] = 1.0
    inset = report.panels({"a": image}, "", ((0.2, 0.5, 0.2),)).axes[1].get_images()[0]
    shown = np.asarray(inset.get_array())
    assert shown.shape == (320, 320)
    assert shown.min() == 1.0


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_scaling_down_keeps_the_mean_and_darkens_no_edge(height, width):
    figure = report.panels({"grey": torch.full((1, height, width), 0.75)}, "", width=32)
    shown = np.asarray(figure.axes[0].get_images()[0].get_array())
    np.testing.assert_allclose(shown, 0.75, atol=1e-6)
    assert shown.shape[1] == width if width < 64 else 32 <= shown.shape[1] < 64


def test_small_images_are_shown_pixel_by_pixel():
    image = scene(40, 60, 3)
    shown = report.panels({"a": image}, "", width=320).axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown), image.permute(1, 2, 0).numpy())


def test_grey_is_not_stretched():
    figure = report.panels({"a": torch.full((1, 8, 8), 0.5)}, "", ((0.5, 0.5, 0.5),))
    assert [axis.get_images()[0].get_clim() for axis in figure.axes] == [(0, 1), (0, 1)]


def test_panels_names_caption_and_lines():
    images = {f"image {n}": scene(30, 40) for n in range(5)}
    figure = report.panels(images, "rendered scenes 0001N", columns=3)
    assert [axis.get_title() for axis in figure.axes] == list(images)
    assert "rendered scenes 0001N" in texts(figure)
    tops = [round(axis.get_position().y1, 3) for axis in figure.axes]
    assert tops[0] == tops[1] == tops[2] > tops[3] == tops[4]
    assert not any(axis.patches for axis in figure.axes)
    # Four to a line would leave three places empty.
    again = [round(axis.get_position().y1, 3) for axis in report.panels(images, "", columns=4).axes]
    assert again[0] == again[1] == again[2] > again[3] == again[4]


def planted(height, width, hot, rough):
    """Dark and smooth but for a hot square in the infrared, a rough one in the visible."""
    ir, vi = torch.full((1, height, width), 0.1), torch.full((1, height, width), 0.3)
    size = max(6, round(0.2 * height))
    spots = []
    for y, x in (hot, rough):
        top, left = round(y * height), round(x * width)
        spots.append((slice(top, top + size), slice(left, left + size)))
    ir[0][spots[0]] = 1.0
    vi[0][spots[0]] = 0.0
    vi[0][spots[1]] = (torch.rand(size, size) > 0.5).float()
    return ir, vi, spots


@pytest.mark.parametrize(("height", "width"), [(120, 160), (97, 131), (240, 180)])
@pytest.mark.parametrize(
    ("hot", "rough"), [((0.2, 0.2), (0.6, 0.7)), ((0.7, 0.7), (0.1, 0.2)), ((0.4, 0.1), (0.4, 0.5))]
)
def test_telling_boxes_find_the_hot_and_the_rough_square(height, width, hot, rough):
    ir, vi, spots = planted(height, width, hot, rough)
    boxes = report.telling_boxes(ir, vi)
    for (rows, columns), box in zip(spots, boxes, strict=True):
        top, left, side = pixels(box, height, width)
        covered = max(0, min(rows.stop, top + side) - max(rows.start, top))
        covered *= max(0, min(columns.stop, left + side) - max(columns.start, left))
        assert covered > 0.7 * (rows.stop - rows.start) ** 2


@pytest.mark.parametrize(("height", "width"), [(120, 160), (97, 131), (64, 96), (41, 60)])
def test_telling_boxes_do_not_overlap(height, width):
    # Heat and texture in one place: the second box has to give way, by a whole box.
    for shift in range(6):
        ir, vi, _ = planted(height, width, (0.35, 0.35), (0.35 + 0.02 * shift, 0.38))
        one, other = (pixels(box, height, width) for box in report.telling_boxes(ir, vi))
        apart = [abs(one[axis] - other[axis]) >= one[2] for axis in (0, 1)]
        assert any(apart)
        for top, left, side in (one, other):
            assert 0 <= top <= height - side
            assert 0 <= left <= width - side


def test_patch_grid_is_infrared_above_visible():
    ir, vi = torch.full((3, 1, 8, 8), 0.25), torch.full((3, 1, 8, 8), 0.75)
    figure = report.patch_grid(ir, vi, ("a", "b", "c"), "unpaired pairs of scenes patches")
    assert len(figure.axes) == 2 * 3
    values = [float(axis.get_images()[0].get_array().mean()) for axis in figure.axes]
    assert values == [0.25] * 3 + [0.75] * 3
    assert [axis.get_title() for axis in figure.axes[:3]] == ["a", "b", "c"]
    assert "unpaired pairs of scenes patches" in texts(figure)


# --- saving and browsing ----------------------------------------------------------------


def test_save_figure_writes_a_png_and_leaves_nothing_open(tmp_path):
    figure = report.panels({"a": scene(30, 40)}, "caption")
    assert plt.get_fignums()
    assert report.save_figure(figure, tmp_path / "new" / "a.png") is figure
    assert plt.get_fignums() == []
    with Image.open(tmp_path / "new" / "a.png") as image:
        assert image.format == "PNG"
        assert len(image.convert("L").getcolors()) > 10


def test_charts_get_a_palette_and_images_keep_their_levels(tmp_path):
    levels = np.arange(4096).reshape(64, 64) / 4095
    modes = {}
    for name, draw in (("chart", lambda axes: axes.plot([0, 1, 0])),
                       ("image", lambda axes: axes.imshow(levels))):  # fmt: skip
        figure, axes = plt.subplots()
        draw(axes)
        figure.savefig(tmp_path / "truth.png", dpi=150)
        report.save_figure(figure, tmp_path / f"{name}.png")
        files = [tmp_path / f"{name}.png", tmp_path / "truth.png"]
        modes[name] = Image.open(files[0]).mode
        made, true = (np.asarray(Image.open(file).convert("RGB"), int) for file in files)
        assert np.abs(made - true).max() <= (16 if name == "chart" else 0)
    assert modes == {"chart": "P", "image": "RGBA"}


def test_save_figure_without_a_path_writes_nothing_and_leaves_nothing_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = report.panels({"a": scene(30, 40)}, "caption")
    assert report.save_figure(figure, None) is figure
    assert plt.get_fignums() == []
    assert not list(tmp_path.iterdir())


@pytest.fixture
def pairs():
    from fusionlib.data import open_pairs

    return open_pairs("scenes", "test", names=["0000D", "0001N"], size=(64, 64))


def draw(pair):
    return report.panels({"ir": pair.ir}, pair.name)


def test_browse_without_a_live_notebook_is_the_first_pair(pairs, monkeypatch, tmp_path):
    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: False)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = report.browse(pairs, draw, tmp_path / "pair.png")
    assert isinstance(figure, Figure)
    assert (tmp_path / "pair.png").stat().st_size > 0
    assert "0000D" in texts(figure)
    assert shown == []


def test_browse_in_a_live_notebook_redraws_what_the_menu_chooses(pairs, monkeypatch, tmp_path):
    import ipywidgets

    monkeypatch.setattr("fusionlib.report.live.live_notebook", lambda: True)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    # Returned as well, the figure would stand below the menu once more.
    assert report.browse(pairs, draw, tmp_path / "pair.png") is None
    assert (tmp_path / "pair.png").stat().st_size > 0
    (box,) = (item for item in shown if isinstance(item, ipywidgets.VBox))
    menu, output = box.children
    assert isinstance(output, ipywidgets.Output)
    assert [name for name, _ in menu.options] == ["0000D", "0001N"]
    menu.value = 1
    drawn = [texts(item) for item in shown if isinstance(item, Figure)]
    assert drawn[-1] == "0001N"
    # An open figure would be shown once more by Jupyter, and pile up with each choice.
    assert plt.get_fignums() == []
