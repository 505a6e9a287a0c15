"""What a notebook leaves behind: the same bytes for the same table, a complete record."""

import gzip
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from fusionlib import report
from fusionlib.data import open_pairs

TABLE = pd.DataFrame({"image": ["ä", "b"], "seed": [0, 1234567], "EN": [6.123456789, float("nan")]})


def test_results_folder_of_the_checkout_or_where_told(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_RESULTS", str(tmp_path / "root"))
    usual = report.results_folder("paper/notebook", "smoke")
    assert usual == tmp_path / "root" / "paper" / "notebook" / "smoke"
    told = report.results_folder("paper/notebook", "smoke", str(tmp_path / "told"))
    assert told == tmp_path / "told"
    assert usual.is_dir()
    assert told.is_dir()
    assert report.results_folder("paper/notebook", "smoke") == usual  # again: no error


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_write_table_writes_the_same_bytes_each_time(tmp_path, name, monkeypatch):
    for folder, seconds in (("first", 1e9), ("second", 2e9)):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr("time.time", lambda now=seconds: now)
        report.write_table(TABLE, tmp_path / folder / name)
    first, second = (tmp_path / folder / name for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    back = pd.read_csv(first)
    assert list(back.columns) == list(TABLE.columns)
    assert back["EN"][0] == pytest.approx(6.12346, abs=1e-9)  # six digits
    assert back["seed"][1] == 1234567  # whole numbers in full


def test_gz_is_compressed_and_csv_is_text(tmp_path):
    report.write_table(TABLE, tmp_path / "t.csv")
    report.write_table(TABLE, tmp_path / "t.csv.gz")
    text = (tmp_path / "t.csv").read_bytes()
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == text
    assert text.decode("utf-8").splitlines()[1].startswith("ä,0,6.12346")


@pytest.fixture
def run():
    kept = {"seconds": 1.5, "device": "cpu: x", "threads": 2, "torch": "2", "commit": "abc"}
    brief = {"model": "bsp-cnn", "seed": 3, "relation": "unpaired", "pairs": 16}
    spec = SimpleNamespace(brief=brief, total_steps=8)
    told = {**kept, "host": "secret"}
    return SimpleNamespace(key="0123456789ab", spec=spec, provenance=told, finished=True)


def test_of_a_run_that_is_not_here_the_record_of_before_tells(tmp_path, run):
    before = report.write_record(tmp_path, {}, {}, runs=[run])
    elsewhere = SimpleNamespace(key=run.key, finished=False)
    assert report.write_record(tmp_path, {}, {}, runs=[elsewhere])["runs"] == before["runs"]


def test_record_holds_what_was_run_and_what_came_out(tmp_path, run):
    scenes = open_pairs("scenes", "test", names=["0001N"], size=(64, 64))
    chosen = {"profile": "smoke", "steps": 0, "data": str(tmp_path), "results": str(tmp_path)}
    numbers = {"loss": 0.25, "verdicts": {"claim": {"supported": 2}}}
    given = report.write_record(
        tmp_path, chosen, numbers, [scenes], [run], ["σ of seeds"], "all is well"
    )
    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record == given
    assert record["parameters"] == {"profile": "smoke", "steps": 0}
    assert record["numbers"] == numbers
    assert record["notes"] == ["σ of seeds"]
    assert record["summary"] == "all is well"
    (test,) = record["tests"]
    assert test == {"dataset": "scenes", "split": "test", "images": 1,
                    "fingerprint": scenes.fingerprint}  # fmt: skip
    (kept,) = record["runs"]
    assert kept["model"] == "bsp-cnn"
    assert (kept["key"], kept["seed"], kept["relation"]) == ("0123456789ab", 3, "unpaired")
    assert (kept["pairs"], kept["steps"], kept["seconds"]) == (16, 8, 1.5)
    assert {"torch", "python", "device", "commit"} <= record["provenance"].keys()
    assert record["seconds"] >= 0
    assert "σ" in text  # readable, not escaped
    assert str(tmp_path) not in text  # no folder of this machine


def test_record_without_runs(tmp_path):
    record = report.write_record(tmp_path, {"profile": "smoke"}, {"n": 1})
    assert (record["tests"], record["runs"], record["notes"]) == ([], [], [])
