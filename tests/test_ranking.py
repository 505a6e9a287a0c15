"""The ranking reproduces the printed one; ties, directions and paired intervals."""

import numpy as np
import pandas as pd
import pytest

from fusionlib import published
from fusionlib.errors import FusionError
from fusionlib.metrics import DIRECTION
from fusionlib.ranking import format_ranking, format_rows, rank, ranking
from fusionlib.statistics import bootstrap

METRICS = ["SF", "AG", "VIF", "Qabf", "Qcb"]


@pytest.fixture
def printed():
    table = published.load("regionfuse", 2)
    return table.values.pivot(index="gradient_weight", columns="metric", values="value")


def test_equals_the_printed_mean_ranks_in_every_row(printed):
    # Printed to one decimal, which fifths fill exactly.
    ranked = rank(printed[METRICS])
    assert ranked["MR"].tolist() == pytest.approx(printed["MR"].tolist(), abs=1e-12)
    assert ranked["RoR"].tolist() == printed["RoR"].tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ranks: ranks.rank(ascending=True, method="min"),
        lambda ranks: ranks.rank(ascending=False, method="average"),
        lambda ranks: ranks.rank(ascending=False, method="max"),
        lambda ranks: ranks.rank(ascending=False, method="dense"),
    ],
)
def test_the_printed_table_tells_other_rules_of_ranking(printed, wrong):
    assert wrong(printed[METRICS]).mean(axis=1).tolist() != pytest.approx(printed["MR"].tolist())


def means(**columns):
    return pd.DataFrame(columns, index=pd.Index(["a", "b", "c"], name="method"))


def test_lower_is_better_where_the_metric_says_so():
    ranked = rank(means(EN=[3, 2, 1], CE=[0.3, 0.2, 0.1]))
    assert ranked["MR"].tolist() == [2, 2, 2]
    assert ranked["RoR"].tolist() == [1, 1, 1]
    assert rank(means(MSE=[1.0, np.inf, 2.0]))["RoR"].tolist() == [1, 3, 2]
    assert rank(means(X=[1, 2, 3]), {"X": "lower"})["RoR"].tolist() == [1, 2, 3]


def test_ties_take_the_lowest_rank():
    ranked = rank(means(EN=[2, 2, 1], VIF=[1, 1, 2]))
    assert ranked["MR"].tolist() == [1.5, 1.5, 2]
    assert ranked["RoR"].tolist() == [1, 1, 3]


def test_candidates_of_one_metric_weigh_as_one():
    table = means(VIF=[3, 2, 1], SF=[1, 3, 2])
    both = table.assign(**{"Qcb (nyquist)": [1, 2, 3], "Qcb (halved)": [1, 3, 2]})
    # Ranks: VIF 1 2 3, SF 3 1 2, Qcb 3 1.5 1.5.
    assert rank(both)["MR"].tolist() == pytest.approx([7 / 3, 4.5 / 3, 6.5 / 3])


def test_a_method_without_a_value_has_no_rank():
    ranked = rank(means(EN=[3, np.nan, 1], VIF=[1, 9, 2]))
    assert ranked["MR"].isna().tolist() == [False, True, False]
    assert ranked["RoR"].dropna().tolist() == [1, 1]


def test_a_metric_without_a_direction_is_named():
    with pytest.raises(FusionError, match="no direction for Speed"):
        rank(means(Speed=[1, 2, 3]))


def rows(**methods):
    parts = [
        pd.DataFrame(
            {"method": method, "image": [f"{i}" for i in range(len(values["EN"]))]} | values
        )
        for method, values in methods.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def scores():
    source = np.random.default_rng(0)
    level = source.normal(6.5, 0.8, 30)  # images differ much more than methods do
    near = level - 0.05 + source.normal(0, 0.02, 30)
    far = level - 0.3 + source.normal(0, 1, 30)
    return rows(
        far={"EN": far, "Qcv": 100 * level},
        best={"EN": level, "Qcv": 100 * level + source.normal(0, 1, 30)},
        near={"EN": near, "Qcv": 100 * level + 50},
    )


def test_the_table_holds_means_ranks_and_paired_intervals(scores):
    table = ranking(scores)
    assert list(table["RoR"]) == sorted(table["RoR"])
    of = {method: part.reset_index() for method, part in scores.groupby("method")}
    for _, row in table.iterrows():
        for metric in ("EN", "Qcv"):
            assert row[metric] == pytest.approx(of[row["method"]][metric].mean(), rel=1e-12)
            column = table.set_index("method")[metric]
            best = column.idxmin() if DIRECTION[metric] == "lower" else column.idxmax()
            gap = of[row["method"]][metric] - of[best][metric]
            assert row[f"{metric} gap"] == pytest.approx(gap.mean(), rel=1e-12, abs=1e-12)
            assert (row[f"{metric} gap low"], row[f"{metric} gap high"]) == bootstrap(gap)


def test_pairing_tells_apart_what_the_spread_of_images_hides(scores):
    table = ranking(scores).set_index("method")
    assert table.loc["near", "EN gap high"] < 0
    assert table.loc["best", "EN gap low"] == table.loc["best", "EN gap high"] == 0
    assert scores["EN"].std() > 10 * -table.loc["near", "EN gap"]


def test_different_images_cannot_be_ranked(scores):
    with pytest.raises(FusionError, match=r"far and near were scored on different images"):
        ranking(scores[:-1])


def test_the_text_marks_the_best_and_what_is_not_told_apart_from_it(scores):
    text = format_ranking(ranking(scores))
    marks = {line.split()[0]: line.split()[1:] for line in text.splitlines()[1:4]}
    assert marks["best"][0].endswith("*")
    assert marks["near"][0][-1].isdigit()
    assert [marks[name][1][-1] in "*~" for name in ("best", "far", "near")] == [True, True, False]
    assert f"{ranking(scores)['EN gap'][1]:+.4f}" in text
    assert text.count("[") == 4  # two metrics, two methods behind the best


@pytest.mark.parametrize(("count", "apart"), [(19, False), (20, True)])
def test_too_few_images_tell_nothing_apart(scores, count, apart):
    images = [f"{i}" for i in range(count)]
    table = ranking(scores[scores["image"].isin(images)])
    assert set(table["images"]) == {count}
    assert table.set_index("method").loc["near", "EN gap high"] < 0
    text = format_ranking(table)
    near = next(line for line in text.splitlines() if line.startswith("near"))
    assert near.split()[1].endswith("~") != apart
    assert ("too few images to tell methods apart (below 20)" in text) != apart
    assert ("holds 0" in text) == apart


@pytest.mark.filterwarnings("error")
def test_a_gap_without_an_end_tells_nothing_apart():
    level = np.linspace(20, 30, 25)
    endless = {"EN": level, "PSNR": np.where(level > 29, np.inf, level)}
    table = ranking(rows(a=endless, b={"EN": level - 1, "PSNR": level - 9})).set_index("method")
    assert np.isnan(table.loc["b", ["PSNR gap", "PSNR gap low", "PSNR gap high"]].tolist()).all()
    text = format_ranking(table.reset_index())
    assert "21.0000~" not in text  # EN
    assert f"{level.mean() - 9:.4f}~" in text
    # The same image is equal in both: no difference is known, and it is not passed over.
    table = ranking(rows(a=endless, c={"EN": level, "PSNR": endless["PSNR"] - 1}))
    assert table["PSNR gap"].isna().all()


def test_the_table_that_the_command_line_writes_is_ranked_alike(scores, tmp_path):
    scores.rename(columns={"image": "name"}).to_csv(tmp_path / "rows.csv", index=False)
    read = pd.read_csv(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(ranking(read), ranking(scores))
    with pytest.raises(FusionError, match="no column 'method'"):
        ranking(read.drop(columns="method"))


def test_infinite_means_are_shown():
    table = ranking(rows(a={"EN": [1.0, 2.0], "PSNR": [np.inf, 20.0]},
                         b={"EN": [1.0, 2.0], "PSNR": [np.inf, 30.0]}))  # fmt: skip
    assert table["RoR"].tolist() == [1, 1]
    assert "inf*" in format_ranking(table)


def test_a_narrow_page_repeats_the_names():
    table = pd.DataFrame({"name": ["a"]} | {f"m{i}": [i / 3] for i in range(9)})
    text = format_rows(table, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert sum(line.startswith("a ") for line in text.splitlines()) > 1
    assert len(format_rows(table).splitlines()) == 2
