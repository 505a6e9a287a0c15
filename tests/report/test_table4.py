"""Table 4: hand-made rows of images, so that every cell, mark and count is known."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from fusionlib import experiments, published, report
from fusionlib.experiments.claims import COLUMNS
from fusionlib.models.cost import Cost
from fusionlib.report.style import MODEL_COLOURS
from fusionlib.report.table4_views import marks

PAPER = published.load("bsp", 4)
COSTS = {"bsp-cnn": Cost(214_882, 0.8197, 21_152_565_312), "bsp-gan": Cost(1234, 0.5, 10**10)}
# 24 images, the first 20 of them listed; images differ, and their deviations sum to 0 in both.
OFFSETS = [*np.linspace(-0.5, 0.5, 20), -0.1, -0.05, 0.05, 0.1]


def images(test_set, method, weights, mean, seed=0, count=24, metrics=("EN", "MI")):
    return [
        {"test_set": test_set, "method": method, "weights": weights, "listed": number < 20,
         "seed": seed, "key": "k", "image": f"{number:02d}"}
        | {name: mean + place + OFFSETS[number] for place, name in enumerate(metrics)}
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture
def per_image():
    rows = []
    for test_set in ("MSRS", "TNO"):
        rows += images(test_set, "bsp-cnn", "released", 6.60)
        for seed, mean in enumerate((6.50, 6.70)):
            rows += images(test_set, "bsp-cnn", "trained", mean, seed, 20)
        rows += images(test_set, "bsp-gan", "trained", 5.00, 0, 20)
    rows += images("MSRS", "mine", "folder", 7.00, count=3)
    return pd.DataFrame(rows)


@pytest.fixture
def comparison(per_image):
    return report.compare_methods(per_image, PAPER)


def one(comparison, row, test_set="MSRS", metric="EN"):
    chosen = comparison.query("row == @row and test_set == @test_set and metric == @metric")
    assert len(chosen) == 1
    return chosen.iloc[0]


def rows_of(comparison, test_set):
    return list(dict.fromkeys(comparison.loc[comparison["test_set"] == test_set, "row"]))


def test_every_method_has_its_rows_in_the_papers_order(comparison):
    rows = rows_of(comparison, "MSRS")
    assert rows[0] == "DeF 22' ECCV"
    assert len(rows) == 10 + 3 + 2 + 1 + 1 + 1
    assert rows[10:] == [
        "CNN, printed", "CNN, authors' weights", "CNN, authors' weights, listed images",
        "CNN, trained here", "Transf, printed", "GAN, printed", "GAN, trained here",
        "mine, your folder",
    ]  # fmt: skip
    assert rows_of(comparison, "TNO") == rows[:-1]
    assert list(comparison["metric"].unique()) == ["EN", "MI"]  # those that were measured


def test_printed_rows_hold_the_papers_numbers_alone(comparison):
    row = one(comparison, "SAGE 25' CVPR", "TNO", "MI")
    assert (row.paper, row.weights, row.on) == (1.78, "printed", "")
    assert pd.isna([row.ours, row.spread, row.low, row.images, row.seeds]).all()


def test_released_weights_on_all_images_and_on_the_list(comparison):
    for on, count in ((", listed images", 20), ("", 24)):
        row = one(comparison, f"CNN, authors' weights{on}")
        assert row.images == count
        assert (row.paper, row.ours) == (6.58, pytest.approx(6.60))
        assert row.difference == pytest.approx(0.02)
        assert row.low < 6.60 < row.high
    assert row.on == "all"


def test_a_list_of_all_images_gives_one_row(per_image):
    listed = per_image[per_image["listed"]]
    rows = rows_of(report.compare_methods(listed, PAPER), "MSRS")
    assert "CNN, authors' weights" in rows
    assert "CNN, authors' weights, listed images" not in rows


def test_trained_rows_are_means_over_seeds_with_their_spread(comparison):
    row = one(comparison, "CNN, trained here", metric="MI")
    assert row.ours == pytest.approx(7.60)
    assert row.spread == pytest.approx(0.1 * 2**0.5)
    assert (row.seeds, row.images) == (2, 20)
    assert pd.isna(one(comparison, "GAN, trained here").spread)


def test_a_folder_has_no_number_of_the_paper_whatever_its_name(per_image):
    named = per_image.replace({"method": {"mine": "bsp-cnn"}})
    row = one(report.compare_methods(named, PAPER), "CNN, your folder")
    assert row.images == 3
    assert pd.isna(row.paper)


def test_rendered_scenes_have_measured_rows_alone(per_image):
    scenes = per_image[per_image["test_set"] == "TNO"].replace({"test_set": {"TNO": "scenes"}})
    comparison = report.compare_methods(scenes, PAPER)
    assert set(comparison["weights"]) == {"released", "trained"}
    assert comparison["paper"].isna().all()
    assert report.tolerance_check(comparison).empty
    assert report.above_others(comparison, PAPER).empty
    short = report.in_short(comparison, PAPER)
    assert list(short.index) == [("scenes", "CNN"), ("scenes", "GAN")]
    assert report.methods_table(comparison, PAPER, COSTS).loc["GAN, trained here"].notna().all()


def test_the_check_takes_the_released_rows_of_msrs_on_all_images(comparison):
    check = report.tolerance_check(comparison)
    assert check["row"].tolist() == ["CNN, authors' weights"] * 2
    assert check["images"].tolist() == [24, 24]
    assert check["tolerance"].tolist() == [0.05, 0.1]
    assert check["difference"].tolist() == pytest.approx([0.02, 7.60 - 2.69])
    assert check["within"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("metric", "off", "within"),
    [("EN", 0.049, True), ("EN", -0.051, False), ("MI", -0.099, True), ("MI", 0.101, False),
     ("VIF", 0.051, False), ("Qabf", -0.049, True), ("SSIM", 0.06, False)],
)  # fmt: skip
def test_tolerances(metric, off, within):
    row = {"test_set": "MSRS", "row": "r", "weights": "released", "on": "all", "images": 9,
           "metric": metric, "paper": 1.0, "ours": 1.0 + off, "difference": off}  # fmt: skip
    assert report.tolerance_check(pd.DataFrame([row]))["within"].tolist() == [within]


def test_above_needs_images_an_interval_and_more_than_the_seeds_spread():
    # The best printed EN of the others on TNO is 7.09; the interval is about 0.26 wide.
    def count(mean, seeds=(0.0,), images_of=20):
        rows = []
        for seed, shift in enumerate(seeds):
            rows += images("TNO", "bsp-cnn", "trained", mean + shift, seed, images_of, ("EN",))
        table = report.compare_methods(pd.DataFrame(rows), PAPER)
        return report.above_others(table, PAPER).set_index("row").loc["CNN, trained here"].to_dict()

    above, open_, below = (
        {"above": a, "undecided": u, "below": b} for a, u, b in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    assert count(7.5) == above
    assert count(6.5) == below
    assert count(7.15) == open_  # the interval holds the printed value
    assert count(7.5, (-0.3, 0.3)) == open_  # 0.41 is less than twice the deviation over seeds
    assert count(7.5, (-0.1, 0.1)) == above
    assert count(7.5, images_of=19) == open_


def test_printed_rows_are_counted_by_their_numbers(comparison):
    above = report.above_others(comparison, PAPER).set_index("row")
    # Of EN and MI on both sets only EN on TNO lies below (6.93 against Meta's 7.09).
    assert above.loc["CNN, printed"].tolist() == [3, 0, 1]
    assert "mine, your folder" not in above.index
    assert "SAGE 25' CVPR" not in above.index


def test_numbers_for_the_record(comparison):
    numbers = report.method_numbers(comparison)
    assert numbers["MSRS, CNN, authors' weights, EN"] == 6.6
    assert numbers["MSRS, mine, your folder, MI"] == pytest.approx(
        8 + np.mean(OFFSETS[:3]), abs=1e-4
    )
    assert len(numbers) == comparison["ours"].notna().sum()


# --- as people read it ------------------------------------------------------------------


def test_all_rows_side_by_side(comparison):
    shown = report.methods_table(comparison, PAPER, COSTS)
    assert list(shown.index) == rows_of(comparison, "MSRS")
    assert list(dict.fromkeys(shown.columns.get_level_values(0))) == ["model", "MSRS", "TNO"]
    assert list(shown["MSRS"]) == ["images", "EN", "MI"]
    assert shown.loc["DDF 23' ICCV", ("model", "MB printed")] == "2108"
    assert shown.loc["DDF 23' ICCV", ("model", "GMAC")] == ""
    row = shown.loc["CNN, trained here"]
    assert row["model"].tolist() == ["0.81", "0.820", "214,882", "21.15"]
    assert row["MSRS"].tolist() == ["20", "6.58 | 6.60 ± 0.141", "2.69 | 7.60 ± 0.141"]
    assert shown.loc["CNN, printed", "MSRS"].tolist() == ["", "6.58", "2.69"]
    mine = shown.loc["mine, your folder"]
    assert mine["model"].tolist() == [""] * 4
    assert mine[("MSRS", "images")] == "3"
    assert mine["TNO"].tolist() == [""] * 3
    assert " | " not in mine[("MSRS", "EN")]


def test_best_and_second_of_each_column(comparison):
    found = marks(comparison, PAPER)
    tno = found["TNO", "EN"]
    assert tno[tno == "best"].index.tolist() == ["Meta 23' CVPR"]
    assert tno[tno == "second"].index.tolist() == ["Free 25' TPAMI"]
    # Ours count with our number; the authors' weights count once.
    mi = found["TNO", "MI"]
    assert mi[mi == "best"].index.tolist() == ["CNN, authors' weights", "CNN, trained here"]
    assert mi["GAN, trained here"] == "second"
    assert mi["CNN, authors' weights, listed images"] == ""


def test_marks_reach_the_page(comparison):
    html = report.styled_methods(comparison, PAPER, COSTS, "a caption").to_html()
    assert "a caption" in html
    bold = html.count("font-weight: bold")
    assert bold > 0
    assert "text-decoration: underline" in html
    assert "6.58 | 6.60 ± 0.141" in html


def test_in_short_for_a_page(comparison):
    short = report.in_short(comparison, PAPER)
    rows = ["best of the others", "CNN", "Transf", "GAN"]
    assert list(short.index) == [(name, row) for name in ("MSRS", "TNO") for row in rows]
    assert short.loc[("MSRS", "best of the others")].tolist() == ["6.49", "2.30"]
    assert short.loc[("MSRS", "CNN"), "EN"] == "6.58 | 6.60 | 6.60 ± 0.141"
    assert short.loc[("TNO", "GAN"), "EN"] == "6.96 | — | 5.00"
    assert short.loc[("TNO", "Transf"), "MI"] == "2.18 | — | —"


def test_sizes_beside_what_is_printed():
    sizes = report.method_sizes(PAPER, COSTS)
    assert sizes.loc["bsp-gan"].tolist() == ["0.71", "0.500", "1,234", "10.00"]


# --- points -----------------------------------------------------------------------------------


@pytest.fixture
def figure(comparison):
    plt.switch_backend("Agg")
    yield report.method_points(comparison, PAPER, "rendered scenes")
    plt.close("all")


def test_points_has_a_panel_a_test_set_and_metric(figure):
    assert len(figure.axes) == 4
    assert [axis.get_title() for axis in figure.axes[:2]] == ["EN", "MI"]
    assert [figure.axes[place].get_ylabel() for place in (0, 2)] == ["MSRS", "TNO"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["others", "CNN", "Transf", "GAN", "mine"]
    assert "rendered scenes" in figure._supxlabel.get_text()


def test_a_long_caption_is_broken_into_lines(comparison):
    figure = report.method_points(comparison, PAPER, "word " * 100)
    assert max(map(len, figure._supxlabel.get_text().splitlines())) < 130
    plt.close("all")


def points(axis, marker):
    return [line for line in axis.get_lines() if line.get_marker() == marker]


def test_points_are_where_the_numbers_are(figure):
    axis = figure.axes[0]  # MSRS, EN
    hollow = [line for line in points(axis, "o") if line.get_markerfacecolor() == "white"]
    assert [float(line.get_xdata()[0]) for line in hollow] == [6.58, 6.57, 6.58]
    assert [float(line.get_ydata()[0]) for line in hollow] == [1, 2, 3]
    (diamond,) = points(axis, "D")
    assert diamond.get_xdata()[0] == pytest.approx(6.60)
    assert to_rgba(diamond.get_color()) == to_rgba(MODEL_COLOURS["bsp-cnn"])
    centres = [float(c.lines[0].get_xdata()[0]) for c in axis.containers]
    assert centres == pytest.approx([6.60, 5.00])
    ends = axis.containers[0].lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [6.60 - 0.2 * 2**0.5, 6.60 + 0.2 * 2**0.5])
    assert len(points(axis, "*")) == 1
    assert not points(figure.axes[2], "*")  # the folder was fused from MSRS


def test_a_number_far_off_becomes_an_arrow(figure):
    msrs, tno = figure.axes[0], figure.axes[2]
    (strokes,) = points(msrs, "|")
    # DeF's 3.34 would press all others together.
    assert sorted(strokes.get_xdata()) == [5.16, 5.64, 5.94, 6.0, 6.0, 6.17, 6.19, 6.37, 6.49]
    assert len(points(msrs, "<")) == 1
    assert len(points(tno, "|")[0].get_xdata()) == 10
    assert not points(tno, "<")
    dotted = [line for line in msrs.get_lines() if line.get_linestyle() == ":"]
    assert [float(line.get_xdata()[0]) for line in dotted] == [6.49]


def test_points_of_rendered_scenes_have_no_line_for_others(per_image):
    scenes = per_image[per_image["test_set"] == "TNO"].replace({"test_set": {"TNO": "scenes"}})
    figure = report.method_points(report.compare_methods(scenes, PAPER), PAPER)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["CNN", "Transf", "GAN"]
    plt.close("all")


def test_claims_ask_whether_the_authors_weights_beat_the_best_of_the_others():
    # The best printed EN of the others on TNO is 7.09, the CNN's own 6.93; no network was
    # trained, and the rows of the list count for nothing.
    def judged(mean, count=20):
        rows = images("TNO", "bsp-cnn", "released", mean, 0, count, ("EN",))
        comparison = report.compare_methods(pd.DataFrame(rows), PAPER)
        return report.judge_methods(comparison, PAPER, experiments.TABLE4_CLAIMS)

    (row,) = judged(7.5).to_dict("records")
    assert row["claim"] == "cnn-beats-ten-others"
    assert row["paper"] == pytest.approx(6.93 - 7.09)
    assert row["effect"] == pytest.approx(7.5 - 7.09, abs=1e-6)
    assert row["low"] < row["effect"] < row["high"]
    assert row["verdict"] == "supported"
    assert judged(6.5)["verdict"].tolist() == ["contradicted"]
    assert judged(7.15)["verdict"].tolist() == ["undecided"]
    assert judged(7.5, 19)["verdict"].tolist() == ["undecided"]
    assert tuple(judged(7.5).columns) == COLUMNS
