"""Table 6: three published methods, trained on strict and unpaired pairs."""

import pandas as pd
import pytest

from fusionlib import experiments
from fusionlib.experiments import table6
from fusionlib.experiments.claims import judge
from fusionlib.experiments.measure import check
from fusionlib.training.recipes import recipe_of


def test_rows_differ_in_pairs_alone(data_root):
    methods = table6.specs("quick", data_root)
    assert list(methods) == ["cddfuse", "mmdrfuse", "tgfuse"]
    for name, rows in methods.items():
        check(rows, data_root)
        assert [(row.mode, row.trainable) for row in rows] == list(table6.ROWS)
        strict, unpaired, many = (row.specs[0] for row in rows)
        assert strict.ir == unpaired.ir != many.ir
        assert len({spec.total_steps for spec in (strict, unpaired, many)}) == 1
        assert len({(s.lr, s.batch, s.ir.patch, s.loss) for s in (strict, unpaired, many)}) == 1
        assert type(strict.loss).__name__.lower() == f"{name}loss"
        assert recipe_of(strict).__name__.lower() == f"{name}training"


def test_smoke_leaves_out_the_network_that_is_too_large_for_a_trial():
    assert list(table6.specs("smoke")) == ["cddfuse", "mmdrfuse"]


def test_printed_values_stand_for_both_sets_and_none_twice():
    values = table6.printed().values
    index = ["test_set", "model", "mode", "trainable", "metric"]
    assert not values.duplicated(index).any()
    here = values.set_index(index)["value"]
    assert here["MSRS", "cddfuse", "UPTP", 15000, "MI"] == 3.77
    assert here["LLVIP", "tgfuse", "SPTP", 15000, "SSIM"] == 1.00


def test_what_the_paper_prints_supports_what_it_says():
    table = table6.printed()
    for model, claims in experiments.TABLE6_CLAIMS.items():
        cells = table.values.query("model == @model and metric != 'Avg.Imp.'")
        wide = cells.pivot(index=["test_set", "mode", "trainable"], columns="metric")["value"]
        rows = [
            wide.reset_index().assign(image=f"{n:02d}", seed=seed, key="k")
            for n in range(20)
            for seed in range(2)
        ]
        ledger = judge(pd.concat(rows), claims, table, model)
        assert set(ledger["verdict"]) == {"supported"}


def test_the_average_improvement_is_over_both_strict_rows():
    table = table6.printed()
    cells = table.values.query("metric != 'Avg.Imp.'")
    wide = (
        cells.pivot(
            index=["model", "test_set", "mode", "trainable"], columns="metric", values="value"
        )
        .astype(float)
        .reset_index()
    )
    parts = {
        name: pd.concat(wide[wide["model"] == name].assign(image=image, seed=0) for image in "ab")
        for name in ("cddfuse", "tgfuse")
    }
    found = table6.improvements(parts, table).set_index(["method", "test_set", "against"])
    # As the notes of the table have it: the printed 15.93 and 10.49 do not follow.
    assert found.loc[("cddfuse", "MSRS", 150), "paper"] == pytest.approx(14.13, abs=0.01)
    assert found.loc[("cddfuse", "LLVIP", 15000), "paper"] == pytest.approx(1.53, abs=0.01)
    assert found.loc[("tgfuse", "LLVIP", 150), "paper"] == pytest.approx(10.82, abs=0.01)
    assert found["ours"].tolist() == pytest.approx(found["paper"].tolist())
