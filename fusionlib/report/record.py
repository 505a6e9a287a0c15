"""What a notebook leaves behind: its folder, tables, and the record of the run."""

import gzip
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from IPython.display import Image

from fusionlib import settings
from fusionlib.data import PairSet
from fusionlib.errors import FusionError
from fusionlib.files import NUMBER, digest, write_whole
from fusionlib.training import Run
from fusionlib.training.provenance import provenance

RECORD = "record.json"
_STARTED = time.monotonic()


def results_folder(notebook: str, profile: str, results: str = "") -> Path:
    """Where a notebook writes: `results`, or the place that the runner would choose.

    Args:
        notebook: folder and name, such as
            "beyond_strict_pairing/table1_generalisation".
        profile: the profile's name.
        results: the notebook's parameter; "" for the usual place.
    """
    folder = Path(results) if results else settings.results_root() / notebook / profile
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def results_root(folder: Path, notebook: str, profile: str) -> Path:
    """The root of the results that a notebook's folder belongs to.

    Where the folder is of the reader's own choice: the usual root.
    """
    usual = Path(notebook) / profile
    inside = folder.resolve().as_posix().endswith(f"/{usual.as_posix()}")
    return folder.resolve().parents[len(usual.parts) - 1] if inside else settings.results_root()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV, compressed where the name ends in .gz, the same bytes each time."""
    content = table.to_csv(index=False, float_format=NUMBER).encode()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    write_whole(path, lambda beside: beside.write_bytes(content))


def write_record(
    folder: Path,
    parameters: Mapping,
    numbers: Mapping,
    tests: Sequence[PairSet] = (),
    runs: Sequence[Run] = (),
    notes: Sequence[str] = (),
    summary: str = "",
) -> dict:
    """Write record.json and return it; it also holds the digests of all tables.

    Args:
        folder: the notebook's results folder.
        parameters: what the notebook was run with.
        numbers: the results that tests and the README assert on.
        tests: test sets, whose fingerprints are kept.
        runs: the trainings used; their device and seconds are kept. Of one
            that is not finished here, the record of before tells them.
        notes: what a reader must know beside the numbers.
        summary: plain text that the runner prints when the notebook is done.
    """
    file, told = folder / RECORD, told_runs(folder)
    record = {
        # A folder of one machine says nothing on another.
        "parameters": {k: v for k, v in parameters.items() if k not in ("data", "results")},
        "numbers": dict(numbers),
        "notes": list(notes),
        "summary": summary,
        "tests": [
            {"dataset": t.dataset, "split": t.split, "images": len(t), "fingerprint": t.fingerprint}
            for t in tests
        ],
        "runs": [_told(run) if run.finished else _retold(run, told) for run in runs],
        "tables": {file.name: digest(file) for file in sorted(folder.glob("*.csv*"))},
        "provenance": provenance(),
        "seconds": round(time.monotonic() - _STARTED, 1),
    }
    text = json.dumps(_plain(record), indent=1, ensure_ascii=False)
    write_whole(file, lambda beside: beside.write_text(text + "\n", "utf-8"))
    return record


def told_runs(folder: Path) -> dict[str, dict]:
    """What the record of before tells of runs, by their keys."""
    file = folder / RECORD
    before = json.loads(file.read_text("utf-8"))["runs"] if file.is_file() else []
    return {run["key"]: run for run in before}


def stand_in(path: Path, missing: str, keys: Iterable[str] = ()) -> Image:
    """The picture that was made where the runs are, for a machine that lacks them.

    Args:
        path: the picture; it is written once more, since it is also the
            result of this machine.
        missing: what is not trained here.
        keys: of the runs that it shows: the record beside it must name them.

    Raises FusionError where there is no such picture.
    """
    if not path.is_file() or not set(keys) <= set(told_runs(path.parent)):
        raise FusionError(f"{missing} is not trained, and there is no {path.name} to show.")
    made = path.read_bytes()
    write_whole(path, lambda beside: beside.write_bytes(made))
    return Image(data=made)


def _told(run: Run) -> dict:
    return {"key": run.key, **run.spec.brief, "steps": run.spec.total_steps} | {
        k: run.provenance[k]
        for k in ("seconds", "device", "threads", "precision", "torch", "commit")
        if k in run.provenance  # older runs do not know their precision
    }


def _retold(run: Run, told: Mapping[str, dict]) -> dict:
    if run.key not in told:
        raise FusionError(f"Run {run.key} is not trained, and no record tells of it.")
    return told[run.key]


def _plain(value):
    # JSON knows no NaN: what is not known, such as the spread of one seed, becomes null.
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
