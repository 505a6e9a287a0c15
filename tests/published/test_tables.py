"""The published numbers: complete, readable, true to the papers' text, and soundly annotated."""

import math

import pandas as pd
import pytest

from fusionlib import published
from fusionlib.errors import FusionError

FIVE = ["EN", "MI", "VIF", "Qabf", "SSIM"]
# (rows, index columns, metrics, cells that the paper's table has)
SHAPES = {
    ("bsp", 1): (54, 6, 5, 270),
    ("bsp", 2): (9, 8, 5, 45),
    ("bsp", 3): (8, 5, 6, 48),
    ("bsp", 4): (52, 5, 5, 260),
    ("bsp", 5): (9, 7, 5, 45),
    ("bsp", 6): (12, 9, 6, 72),
    ("bsp", 7): (5, 6, 5, 25),
    ("bsp", 8): (11, 5, 1, 11),
    ("ssvif", 1): (18, 4, 10, 126),
    ("ssvif", 2): (18, 4, 7, 126),
    ("ssvif", 3): (14, 5, 5, 70),
    ("ssvif", 4): (6, 4, 3, 18),
    ("ssvif", 5): (10, 4, 1, 10),
    ("ssvif", 6): (2, 2, 8, 16),
    ("ssvif", 7): (3, 2, 8, 24),
    ("ssvif", 8): (2, 3, 8, 16),
    ("ssvif", 9): (9, 5, 7, 63),
    ("regionfuse", 1): (4, 3, 5, 20),
    ("regionfuse", 2): (5, 1, 7, 35),
    ("regionfuse", 3): (5, 2, 5, 25),
    ("regionfuse", 4): (8, 3, 3, 24),
    ("regionfuse", 5): (3, 3, 5, 15),
}
every_table = pytest.mark.parametrize(("paper", "number"), SHAPES)

# Typed from the papers, not from the data files.
SPOTS = [
    ("bsp", 1, "test_set == 'MSRS' and mode == 'SPTP' and trainable == 150 and model == 'bsp-cnn'",
     "MI", "2.57"),
    ("bsp", 1, "test_set == 'MSRS' and mode == 'APTP' and model == 'bsp-gan'", "SSIM", "1.00"),
    ("bsp", 1, "test_set == 'LLVIP' and mode == 'UPTP' and not expanded and model == 'bsp-gan'",
     "Qabf", "0.46"),
    ("bsp", 1, "test_set == 'M3FD' and base == 15000 and model == 'bsp-transformer'",
     "VIF", "0.75"),
    ("bsp", 2, "infrared_set == 'LLVIP' and visible_set == 'MSRS'", "MI", "2.74"),
    ("bsp", 3, "mode == 'APTP' and base == 30", "Avg.Imp.", "5.17%"),
    ("bsp", 4, "test_set == 'MSRS' and model == 'defusion'", "EN", "3.34"),
    ("bsp", 4, "test_set == 'RoadScene' and model == 'dcinn'", "SSIM", "0.33"),
    ("bsp", 4, "test_set == 'TNO' and model == 'crossfuse'", "MI", "2.10"),
    ("bsp", 5, "test_set == 'LLVIP' and visible_base == 75", "VIF", ".85"),
    ("bsp", 6, "model == 'mmdrfuse' and mode == 'SPTP' and trainable == 150", "VIF", "0.51"),
    ("bsp", 7, "not intensity and gradient and ssim", "MI", "3.24"),
    ("bsp", 8, "model == 'sage'", "Num(k)", "3.611"),
    ("ssvif", 1, "test_set == 'FMB' and model == 'segmif'", "Person", "66.81"),
    ("ssvif", 1, "test_set == 'MSRS' and model == 'ssvif'", "Curve", "56.59"),
    ("ssvif", 1, "test_set == 'MSRS' and model == 'seafusion'", "mIoU", "76.41"),
    ("ssvif", 2, "test_set == 'MSRS' and model == 'timfusion'", "ΔE", "16.3"),
    ("ssvif", 2, "test_set == 'FMB' and model == 'sage'", "MS-SSIM", "1.10"),
    ("ssvif", 3, "model == 'emma' and variant == 'ssvif'", "MI", "4.33"),
    ("ssvif", 3, "experiment == 'ii' and variant == 'ucw'", "ΔE", "4.68"),
    ("ssvif", 4, "model == 'swinfusion' and framework == 'ssvif'", "FLOPs (G)", "76.07"),
    ("ssvif", 5, "comparison == 'supervised' and model == 'sage'", "mAP@0.5", "80.53"),
    ("ssvif", 6, "classes == 15", "SSIM", "1.02"),
    ("ssvif", 7, "colour_weight == 30", "mIoU", "61.48"),
    ("ssvif", 8, "channels == 1", "ΔE", "3.95"),
    ("ssvif", 9, "model == 'mrfs'", "Motorcycle", "55.00"),
    ("regionfuse", 1, "region_size == 48", "VIF", "1.063"),
    ("regionfuse", 1, "region_size == 32", "SF", "12.002"),
    ("regionfuse", 2, "gradient_weight == 1", "Qcb", "0.606"),
    ("regionfuse", 2, "gradient_weight == 20", "MR", "2.8"),
    ("regionfuse", 3, "load_weight == 0.5", "AG", "3.754"),
    ("regionfuse", 3, "load_weight == 50", "Qabf", "0.706"),
    ("regionfuse", 4, "model == 'ddfm'", "FLOPs (G)", "5.36×10^5"),
    ("regionfuse", 4, "model == 'dcevo'", "Params (M)", "2.00"),
    ("regionfuse", 4, "model == 'regionfuse'", "Time (ms)", "168.87"),
    ("regionfuse", 5, "model == 'piafusion-xrestormer'", "SF", "13.41"),
]  # fmt: skip


def cell(paper, number, rows, metric):
    found = published.load(paper, number).values.query(rows)
    (found,) = found[found["metric"] == metric].itertuples()
    return found


def test_lists_every_table_of_every_paper():
    listed = [(paper, number) for paper in published.papers() for number in published.tables(paper)]
    assert listed == list(SHAPES)


@every_table
def test_shape(paper, number):
    table = published.load(paper, number)
    rows, index, metrics, cells = SHAPES[paper, number]
    assert table.cells.shape == (rows, index + metrics)
    assert list(table.cells.columns) == [*table.index, *table.metrics]
    assert len(table.values) == cells
    assert list(table.values.columns) == [*table.index, "metric", "value", "printed", "mark"]
    assert not table.values.duplicated([*table.index, "metric"]).any()


@pytest.mark.parametrize(("paper", "number", "rows", "metric", "printed"), SPOTS)
def test_spot_values(paper, number, rows, metric, printed):
    assert cell(paper, number, rows, metric).printed == printed


def test_printed_numbers_become_floats():
    assert cell("bsp", 5, "test_set == 'LLVIP' and visible_base == 75", "VIF").value == 0.85
    assert cell("bsp", 3, "mode == 'APTP' and base == 15", "Avg.Imp.").value == 8.89
    assert cell("regionfuse", 4, "model == 'ddfm'", "Time (ms)").value == 33100


@every_table
def test_a_cell_is_a_finite_number_or_marked(paper, number):
    values = published.load(paper, number).values
    assert set(values["mark"]) <= {"", "dash", "unreadable"}
    assert (values["value"].isna() == (values["mark"] != "")).all()
    assert values["value"].dropna().map(math.isfinite).all()


def test_dash_and_unreadable_are_different_marks():
    counts = {
        (paper, number, mark): count
        for paper, number in SHAPES
        for mark, count in published.load(paper, number).values["mark"].value_counts().items()
        if mark
    }
    assert counts == {
        ("bsp", 3, "dash"): 4,
        ("bsp", 6, "dash"): 6,
        ("ssvif", 6, "unreadable"): 14,
        ("regionfuse", 1, "dash"): 5,
    }


def test_index_types():
    values = published.load("bsp", 1).values
    assert values["expanded"].dtype == bool
    assert pd.api.types.is_integer_dtype(values["trainable"])
    assert set(values["test_set"]) == {"MSRS", "LLVIP", "M3FD"}
    assert set(values["mode"]) == {"SPTP", "UPTP", "APTP"}


@every_table
def test_notes_point_at_something(paper, number):
    table = published.load(paper, number)
    for note in table.notes:
        assert note.text.endswith(".")
        assert note.column in ("", *table.index, *table.metrics)
        assert not note.rows or len(table.values.query(note.rows)), note.rows


@every_table
def test_description(paper, number):
    table = published.load(paper, number)
    assert table.caption.endswith(".")
    assert table.convention == paper
    undirected = {metric for metric, better in table.direction.items() if not better}
    assert undirected == ({"Num(k)"} if (paper, number) == ("bsp", 8) else set())
    lower = {metric for metric, better in table.direction.items() if better == "lower"}
    assert not lower & {*FIVE, "mIoU", "Avg.Imp."}


def improvements(number):
    """Recomputed and printed Avg.Imp. for each strict row and the row below it, in per cent."""
    cells = published.load("bsp", number).cells
    numbers = cells[FIVE].astype(float).to_numpy()
    gains = (100 * (numbers[1::2] / numbers[::2] - 1)).mean(axis=1)
    return list(zip(gains, cells["Avg.Imp."][1::2].str.rstrip("%").astype(float), strict=True))


def test_average_improvements_that_follow_from_their_cells():
    follows = [abs(gain - printed) < 0.006 for gain, printed in improvements(3)]
    assert follows == [True, True, True, False]
    assert not any(abs(gain - printed) < 0.006 for gain, printed in improvements(6))


@pytest.mark.parametrize("number", [3, 6])
def test_notes_state_the_average_improvement_that_the_cells_give(number):
    notes = [note for note in published.load("bsp", number).notes if note.column == "Avg.Imp."]
    wrong = [both for both in improvements(number) if abs(both[0] - both[1]) > 0.006]
    assert len(notes) == len(wrong)
    for note, (gain, printed) in zip(notes, wrong, strict=True):
        assert f"is {gain:.2f} %, not {printed} %" in note.text


def test_rows_that_equal_rows_of_other_tables():
    one, three = published.load("bsp", 1).cells, published.load("bsp", 3).cells
    strict = one.query("test_set == 'MSRS' and mode == 'SPTP' and base == '150'")
    cnn = strict.query("model == 'bsp-cnn'")
    shared = three.query("mode == 'SPTP' and base == '60'")
    assert cnn[FIVE].to_numpy().tolist() == shared[FIVE].to_numpy().tolist()
    other = three.query("mode == 'SPTP' and base == '150'")
    assert cnn[FIVE].to_numpy().tolist() != other[FIVE].to_numpy().tolist()


def test_mean_precisions_follow_from_their_classes():
    table = published.load("ssvif", 9)
    numbers = table.cells[list(table.metrics)].astype(float)
    assert ((numbers.iloc[:, :6].mean(axis=1) - numbers["mAP@0.5"]).abs() < 0.01).all()
    five = published.load("ssvif", 5).cells.drop_duplicates("model").set_index("model")["mAP@0.5"]
    assert five.to_dict() == table.cells.set_index("model")["mAP@0.5"].to_dict()


def test_mean_ranks_follow_from_their_metrics():
    numbers = published.load("regionfuse", 2).cells.astype(float)
    ranks = numbers[["SF", "AG", "VIF", "Qabf", "Qcb"]].rank(ascending=False, method="min")
    assert ranks.mean(axis=1).tolist() == pytest.approx(numbers["MR"].tolist())
    assert numbers["MR"].rank().tolist() == numbers["RoR"].tolist()


def test_printed_rows_of_models():
    means = published.means_of("bsp", 4, "bsp-cnn", "lrrnet", "nobody")
    assert list(means) == ["LLVIP", "MSRS", "RoadScene", "TNO"]
    assert set(means["LLVIP"]) == {"bsp-cnn", "lrrnet"}
    assert means["LLVIP"]["lrrnet"]["MI"] == 1.65


def test_source_names_the_paper():
    assert "Beyond Strict Pairing" in published.source("bsp")


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(FusionError, match="bsp, ssvif, regionfuse"):
        published.load("BSP", 1)
    with pytest.raises(FusionError, match="regionfuse has no table 6: choose one of 1, 2, 3, 4, 5"):
        published.load("regionfuse", 6)
