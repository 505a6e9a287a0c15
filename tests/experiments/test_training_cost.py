"""What training costs: the line through it, and what follows for the paper's rows."""

import pandas as pd
import pytest

from fusionlib.experiments import training_cost
from fusionlib.experiments.training_cost import GRIDS, TRAINABLE, draws, fit, predict
from fusionlib.training import Cost


@pytest.fixture
def measured(monkeypatch):
    """Steps of 10 ms and 100 ms a million pixels, whatever is asked."""
    asked = []

    def probe(spec, steps, data, device, threads):
        asked.append(spec)
        seconds = 0.01 + 0.1 * spec.batch * spec.ir.patch**2 / 1e6
        return Cost(seconds, 2 * seconds, 10**9, 2**20, "cpu", threads, 1)

    monkeypatch.setattr(training_cost, "probe", probe)
    table = training_cost.steps("smoke", ["bsp-cnn", "bsp-gan"], threads=1)
    return table, asked


def test_every_batch_and_paradigm_is_measured(measured):
    table, asked = measured
    grid = GRIDS["smoke"]
    assert len(table) == 2 * (len(grid.batches) * len(grid.patches) + len(grid.others))
    assert [spec.batch for spec in asked[:2]] == list(grid.batches)
    assert {spec.relation for spec in asked} == {"unpaired", "strict"}
    assert table["core_ms"].tolist() == pytest.approx((2 * table["ms"]).tolist())
    assert set(table["gflop"]) == {1.0}
    assert set(table["peak_mb"]) == {1.0}


def test_the_line_is_found_and_leads_to_the_papers_rows(measured):
    lines = fit(measured[0])
    for model in ("bsp-cnn", "bsp-gan"):
        assert lines.loc[model].tolist() == pytest.approx([10, 100, 1], rel=1e-6)
    drawn = pd.DataFrame({"paradigm": "UPTP", "T": TRAINABLE, "ms": [1.0, 2.0, 3.0, 4.0]})
    rows = predict(lines, drawn).set_index(["model", "T"])
    # 18, 937 and 1,875 steps an epoch, as the released code drops what is left
    assert rows.loc["bsp-cnn", "steps"].tolist() == [1800, 93_700, 187_500]
    step = 0.010 + 0.1 * 8 * 128**2 / 1e6
    assert rows.loc[("bsp-cnn", 15_000), "hours"] == pytest.approx(187_500 * step / 3600)
    assert rows.loc[("bsp-cnn", 7500), "draw_seconds"] == pytest.approx(0.3)


def test_draws_of_every_paradigm_and_t_are_timed():
    table = draws(repeats=1)
    assert len(table) == 3 * len(TRAINABLE)
    assert table["ms"].gt(0).all()
    wide = table[(table["paradigm"] == "SPTP") & (table["T"] > 150)]
    assert set(wide["patches"]) == {15_000}
    assert set(table.drop(wide.index)["patches"]) == {150}
