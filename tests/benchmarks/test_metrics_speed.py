"""The speed of twelve metrics beside a NumPy reference; a normal test run runs each once.

To time them: `pytest tests/benchmarks --benchmark-enable --benchmark-only`, without xdist.
`python -m tests.benchmarks.table` times both sides in turns, and writes the table.
"""

import csv
import json

import pytest

from tests.benchmarks import cases, table


@pytest.fixture(scope="module")
def images():
    return cases.open_images()


def assert_same_values(images):
    expected = cases.reference(cases.arrays_of(images), cases.NAMES)
    values = {name: value.item() for name, value in cases.ours(images, cases.NAMES).items()}
    assert values == pytest.approx(expected, rel=1e-4, abs=0)


def test_both_sides_compute_the_same(images):
    assert_same_values(images)


def test_both_sides_compute_the_same_of_a_real_pair(data_root):
    assert_same_values(cases.open_images("MSRS", "00491D", data_root))


@pytest.mark.parametrize("call", cases.CALLS)
def test_speed_of_ours(benchmark, images, call):
    benchmark.group = call
    benchmark(cases.ours, images, cases.CALLS[call])


@pytest.mark.parametrize("call", cases.CALLS)
def test_speed_of_the_reference(benchmark, images, call):
    benchmark.group = call
    benchmark(cases.reference, cases.arrays_of(images), cases.CALLS[call])


def test_the_table_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)
    monkeypatch.setattr(table, "STREAM", 2)
    monkeypatch.setattr(cases, "CALLS", {"MSE": ("MSE",), "two": ("EN", "SD")})
    table.main(["--rounds", "2", "--output", str(tmp_path / "new" / "speed.csv")])
    with (tmp_path / "new" / "speed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("metric") for row in rows] == ["MSE", "two"]
    assert all(float(value) > 0 for row in rows for value in row.values())
    conditions = json.loads((tmp_path / "new" / "speed.json").read_text())
    assert conditions["pair"].startswith("scenes test 0000D")
    assert {"processor", "cores", "system", "torch", "threads", "dtype"} <= conditions.keys()
    memory = conditions["memory"]
    assert memory["peak_mib_before"] <= memory["peak_mib_after_first"]
    assert memory["peak_mib_after_first"] <= memory["peak_mib_after_last"]
