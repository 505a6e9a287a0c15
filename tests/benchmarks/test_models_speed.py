"""The speed of the models beside their published form; a normal test run runs each once, small.

To time them: `pytest tests/benchmarks/test_models_speed.py --benchmark-enable --benchmark-only -s`,
without xdist, on an idle machine. `python -m tests.benchmarks.models_table` writes the table.
"""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.benchmarks import floors, model_cases, models_table
from tests.benchmarks.table import time_in_turns

SMALL = {"patch": 32, "size": (132, 140)}


@pytest.mark.parametrize("name", [name for name in model_cases.NAMES if "float32" in name])
def test_both_sides_compute_the_same(name):
    case = model_cases.case(name, **SMALL)
    ours, literal = case.ours(), case.literal()
    assert ours.shape == literal.shape
    torch.testing.assert_close(ours, literal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", model_cases.NAMES)
def test_ours_beside_the_published_form(benchmark, name, request):
    timed = request.config.getoption("benchmark_enable")
    case = model_cases.case(name, **({} if timed else SMALL))
    calls = [case.ours, case.literal]
    times = benchmark.pedantic(time_in_turns, args=(calls, 9 if timed else 1))
    ratio = np.median(np.divide(*times)).item()
    ours, literal = np.median(times, axis=1)
    benchmark.extra_info.update(ours_ms=ours, published_ms=literal, ratio=ratio)
    assert ratio > 0
    if timed:
        print(f"\n{name}: {ours:.0f} ms, as published {literal:.0f} ms, ratio {ratio:.3f}")
        assert case.target is None or ratio <= case.target


def test_every_target_is_of_a_case():
    assert set(model_cases.TARGETS) <= set(model_cases.NAMES)


class Here:
    """Stands for the process of each line, so that sizes can be small."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        return SimpleNamespace(result=lambda: function(*arguments))


def test_the_table_is_written(tmp_path, monkeypatch):
    whole = model_cases.case
    monkeypatch.setattr(model_cases, "case", lambda name, device: whole(name, **SMALL))
    monkeypatch.setattr(models_table, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(floors, "SIDE", 64)
    monkeypatch.setattr(floors, "COPIED", 1 << 16)
    output = tmp_path / "new" / "models.csv"
    models_table.main(["--rounds", "2", "--only", "bsp-cnn", "--output", str(output)])
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [" ".join(row.pop(key) for key in ("model", "task", "precision")) for row in rows]
    assert names == [name for name in model_cases.NAMES if "bsp-cnn" in name]
    assert all(float(value) > 0 for row in rows for value in row.values())
    conditions = json.loads(output.with_suffix(".json").read_text())
    assert {"processor", "cores", "system", "torch", "threads", "load_before"} <= conditions.keys()
    assert all(value >= 0 for value in conditions["ceilings"].values())


def test_work_counts_products_and_bytes_but_no_views():
    a, b = torch.rand(4, 5), torch.rand(5, 6)
    with floors.Work() as work:
        c = (a @ b).T  # 2 * 4 * 5 * 6 operations; reads 20 + 30, writes 24 numbers
        c.add_(1)  # reads and writes 24
        c.bfloat16()  # reads 24, writes 24 of 2 bytes
    assert work.flop == 240
    assert work.bytes == 4 * (20 + 30 + 24) + 4 * 48 + 24 * 6
    ceilings = {"float32": 100.0, "bfloat16": 1000.0, "copy": 200.0}
    # The product takes longest by arithmetic, 2.4 s; the others by their bytes.
    assert work.floor(ceilings) == pytest.approx(240 / 100 + (192 + 144) / 200)


def test_ceilings_are_measured():
    found = floors.ceilings(rounds=2, side=128, copied=1 << 20)
    assert found.keys() == {"float32", "bfloat16", "copy"}
    assert all(value > 1e6 for value in found.values())
