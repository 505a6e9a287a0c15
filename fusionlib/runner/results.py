"""What a finished notebook left behind: is it all there, new, and sound?

A notebook can end without an error and still have written nothing, so each declares the
files that it writes, and these are looked at after the run.
"""

import json
import warnings
from pathlib import Path
from typing import Any

# A place is no setting: the same run on another machine has other folders.
_PLACES = ("data", "results")


def fingerprints(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """For each file that exists, what changes when it is written again.

    Compared before and after a run; unlike a comparison with the clock it holds
    on a file server whose clock differs.
    """
    states = {name: (folder / name).stat() for name in names if (folder / name).is_file()}
    return {name: (s.st_ino, s.st_mtime_ns, s.st_size) for name, s in states.items()}


def defects(
    folder: Path,
    names: tuple[str, ...],
    before: dict[str, tuple[int, ...]],
    parameters: dict[str, Any],
    may_be_empty: tuple[str, ...] = (),
) -> list[str]:
    """A sentence for each declared file that is missing, old, empty or unsound.

    before: `fingerprints` taken when the run started.
    parameters: what the notebook was run with; record.json must agree.
    may_be_empty: columns that hold no number where there is nothing to say, such as
        the paper's value of rendered scenes.
    """
    now = fingerprints(folder, names)
    found = []
    for name in names:
        path = folder / name
        if name not in now:
            found.append(f"{name} was not written")
        elif now[name] == before.get(name):
            found.append(f"{name} is from an earlier run: this one did not write it")
        elif path.stat().st_size == 0:
            found.append(f"{name} is empty")
        else:
            try:
                found += [f"{name} {defect}" for defect in _content(path, parameters, may_be_empty)]
            except Exception as error:  # whatever a reader raises on a broken file
                found.append(f"{name} can't be read: {error}")
    return found


def _content(path: Path, parameters: dict[str, Any], may_be_empty: tuple[str, ...]) -> list[str]:
    if path.name == "record.json":
        return _json(path) or _record(path, parameters)
    if path.suffix == ".json":
        return _json(path)
    if path.name.endswith((".csv", ".csv.gz")):
        return _table(path, may_be_empty)
    if path.suffix in (".png", ".webp"):
        return _picture(path)
    return []


def _json(path: Path) -> list[str]:
    bad: list[str] = []
    json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda c: bad.append(c))
    return [f"holds the number {constant}" for constant in sorted(set(bad))]


def _record(path: Path, parameters: dict[str, Any]) -> list[str]:
    recorded = json.loads(path.read_text(encoding="utf-8")).get("parameters")
    if not isinstance(recorded, dict):
        return ["has no `parameters`"]
    return [
        f"records {name} = {recorded.get(name)!r}, but the notebook was run with {value!r}"
        for name, value in parameters.items()
        if name not in _PLACES and recorded.get(name) != value
    ]


def _table(path: Path, may_be_empty: tuple[str, ...]) -> list[str]:
    import numpy as np
    import pandas as pd

    table = pd.read_csv(path)
    if table.empty:
        return ["has no rows"]
    numbers = table.select_dtypes("number").astype(float)
    infinite = [c for c in numbers if np.isinf(numbers[c]).any()]
    nothing = [c for c in numbers if c not in may_be_empty and numbers[c].isna().all()]
    return [f"holds an infinite number in column {c}" for c in infinite] + [
        f"has no number in column {c}" for c in nothing
    ]


def _picture(path: Path) -> list[str]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own figure
        with Image.open(path) as image:
            extrema = image.convert("RGB").getextrema()
    return ["is of one single colour"] if all(low == high for low, high in extrema) else []
