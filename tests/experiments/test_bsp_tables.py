"""The rows of Tables 2, 3, 5 and 7: what they train on, and their printed twins."""

import pandas as pd
import pytest

from fusionlib import published, report
from fusionlib.data.base import patch_count
from fusionlib.experiments import bsp_tables
from fusionlib.experiments.measure import check
from fusionlib.experiments.table4 import specs as table4_specs

TABLES = {n: getattr(bsp_tables, f"table{n}") for n in (2, 3, 5, 7)}


@pytest.fixture(scope="module")
def smoke():
    return {number: rows("smoke") for number, rows in TABLES.items()}


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_the_printed_ones_in_order(smoke, number):
    rows, printed = smoke[number], bsp_tables.printed(number).values
    names = list(dict.fromkeys(printed[["mode", "trainable"]].itertuples(index=False, name=None)))
    assert [(row.mode, row.trainable) for row in rows] == names


@pytest.mark.parametrize("number", TABLES)
def test_one_row_has_seeds_and_all_runs_differ(smoke, number):
    rows = smoke[number]
    assert sorted(len(row.specs) for row in rows) == [1] * (len(rows) - 1) + [2]
    keys = {spec.key for row in rows for spec in row.specs}
    assert len(keys) == len(rows) + 1


@pytest.mark.parametrize("number", TABLES)
def test_each_row_can_be_drawn_at_quick(data_root, number):
    rows = TABLES[number]("quick", data_root)
    check(rows, data_root)
    for row in rows:
        assert row.specs[0].total_steps == 800
        for source in (row.specs[0].ir, row.specs[0].vi):
            assert patch_count(source, data_root) in (15, 30, 60, 75, 150, 192)


def test_crossed_rows_take_infrared_and_visible_of_the_named_sets(data_root):
    rows = {row.mode: row.specs[0] for row in bsp_tables.table2("quick", data_root)}
    assert len(rows) == 9
    for mode, spec in rows.items():
        paradigm, sets = mode.split()
        assert [spec.ir.dataset, spec.vi.dataset] == sets.split("+")
        assert spec.relation == {"SPTP": "strict", "UPTP": "unpaired"}[paradigm]
        assert spec.pairs == {"SPTP": 150, "UPTP": 7500}[paradigm]


def test_arbitrary_rows_take_all_pairs(data_root):
    for row in bsp_tables.table3("quick", data_root):
        paradigm, _, size = row.mode.split()
        drawn = int(size) if paradigm == "SPTP" else int(size) ** 2
        assert (row.specs[0].pairs, row.trainable) == (drawn, drawn)
        assert patch_count(row.specs[0].ir, data_root) == int(size)


def test_the_strict_row_is_one_training_in_three_tables(data_root):
    strict = [
        next(row for row in TABLES[n]("quick", data_root) if len(row.specs) > 1) for n in (2, 3, 5)
    ]
    assert len({tuple(spec.key for spec in row.specs) for row in strict}) == 1


def test_a_setting_of_the_loss_has_the_terms_that_the_paper_ticks(data_root):
    (whole,) = table4_specs("quick", data_root, 1, ("bsp-cnn",))["bsp-cnn"]
    rows = bsp_tables.table7("quick", data_root)
    ticks = published.load("bsp", 7).values.drop_duplicates("setting")
    for row, tick in zip(rows, ticks.itertuples(), strict=True):
        spec = row.specs[0]
        for term in ("intensity", "gradient", "ssim"):
            assert (getattr(spec.loss, term) > 0) == getattr(tick, term)
        assert (spec.ir, spec.vi, spec.pairs) == (whole.ir, whole.vi, whole.pairs)
    assert rows[-1].specs[0].loss == whole.loss


def test_average_improvement_is_the_papers_own_column():
    """Table 3 prints it; of 150 patches it can't follow from the printed cells."""
    table = bsp_tables.printed(3)
    cells = table.values[table.values["metric"] != "Avg.Imp."]
    wide = cells.pivot(index=["test_set", "mode", "trainable"], columns="metric", values="value")
    # Two images on either side of twice the printed mean.
    per_image = pd.concat(
        (2 * wide.astype(float) * factor).reset_index().assign(image=name, seed=0)
        for name, factor in (("a", 0.9), ("b", 1.1))
    )
    against = {(f"APTP of {n}", n * n): (f"SPTP of {n}", n) for n in (15, 30, 60, 150)}
    found = bsp_tables.average_improvement(per_image, table, "bsp-cnn", against)
    assert found["paper"].round(2).tolist() == [8.89, 5.17, 4.35, 3.76]
    assert found["ours"].tolist() == pytest.approx(found["paper"].tolist())
    figure = report.improvement_bars(found, "as printed")
    assert [bar.get_height() for bar in figure.axes[0].patches[:4]] == found["paper"].tolist()


def test_improvement_on_a_set_that_the_paper_lacks_and_with_a_metric_that_is_missing():
    names = [("SPTP of 15", 15), ("APTP of 15", 225)]
    rows = [
        {"test_set": "scenes", "mode": mode, "trainable": pairs, "image": image, "seed": 0,
         **dict.fromkeys(("EN", "MI", "VIF", "Qabf", "SSIM"), 1.0)}
        for mode, pairs in names for image in "ab"
    ]  # fmt: skip
    per_image, table = pd.DataFrame(rows), bsp_tables.printed(3)
    against = {names[1]: names[0]}
    (row,) = bsp_tables.average_improvement(per_image, table, "bsp-cnn", against).itertuples()
    assert pd.isna(row.paper)
    assert row.ours == 0
    per_image.loc[0, "MI"] = float("nan")
    (row,) = bsp_tables.average_improvement(per_image, table, "bsp-cnn", against).itertuples()
    assert pd.isna(row.ours)
