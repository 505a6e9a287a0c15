"""Score a model, a run or a folder of fused images: one row an image."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from torch import Tensor, nn

from fusionlib.data import Pair, PairSet
from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.images import IMAGE_SUFFIXES, read_grey
from fusionlib.inference import Protocol, fuse
from fusionlib.metrics import score
from fusionlib.progress import progress as progress_bar

if TYPE_CHECKING:
    from fusionlib.training import Run

METRICS = ("EN", "MI", "VIF", "Qabf", "SSIM")
# Part of every cache file's name: raise it when a metric or a protocol changes its values.
METRICS_VERSION = 1
IMAGES_BETWEEN_SAVES = 8

Rows = dict[tuple[str, str], dict[str, float]]  # image name, digest -> metric -> value


def evaluate(
    subject: "nn.Module | Run",
    pairs: PairSet,
    protocol: str | Protocol = "released",
    convention: str = "bsp",
    metrics: Sequence[str] = METRICS,
    step: int | None = None,
    precision: str = "float32",
    progress: bool = True,
) -> pd.DataFrame:
    """Fuse every pair and score the 8-bit result against the grey sources.

    A run keeps its rows in its folder, one an image and its bytes: what has
    been scored is not fused again, also as part of another test set, and a
    killed evaluation goes on where it was. Rows of a bare model are not kept.

    Args:
        subject: a model, or a run that `train` returned.
        pairs: the test set.
        protocol: name or `Protocol`, see `fusionlib.inference`.
        convention: see `fusionlib.metrics.score`.
        metrics: names of metrics, in the order of the columns.
        step: which of the run's snapshots; None is the last step. Only for
            runs.
        precision: "float32" or "bfloat16", of the model alone.
        progress: show a bar.

    Returns a table with the columns "image" and `metrics`, in the order of
    `pairs`. Its `attrs` hold dataset, split, fingerprint, protocol,
    convention, precision, step and the key of the run (both None for a model).

    Raises FusionError for an unknown name, and for what `fuse` refuses.
    """
    protocol = Protocol.of(protocol)
    is_model = isinstance(subject, nn.Module)
    if is_model and step is not None:
        raise FusionError("step chooses a snapshot of a run: leave it out for a model.")
    if not is_model and step is None:
        step = subject.spec.total_steps
    conditions = {
        "dataset": pairs.dataset,
        "split": pairs.split,
        "protocol": protocol.name,
        "convention": convention,
        "precision": precision,
        "step": step,
    }
    cache = None if is_model else _cache_path(subject.folder, conditions)
    rows = _read_rows(cache) if cache and cache.exists() else {}
    keys = {pair.name: (pair.name, _short(pair.digest)) for pair in pairs}
    todo = [pair for pair in pairs if not rows.get(keys[pair.name], {}).keys() >= set(metrics)]
    if todo:
        model = subject if is_model else subject.model(step)
        bar = progress_bar(todo, f"score {pairs.dataset} {pairs.split}", quiet=not progress)
        try:
            for done, pair in enumerate(bar, start=1):
                fused = fuse(model, pair.ir[None], pair.vi[None], protocol, precision)
                values = _score_one(fused, pair, metrics, convention)
                rows[keys[pair.name]] = {**rows.get(keys[pair.name], {}), **values}
                if cache and done % IMAGES_BETWEEN_SAVES == 0:
                    _write_rows(cache, rows)
        finally:
            if cache and rows:
                _write_rows(cache, rows)
    attrs = {**conditions, "fingerprint": pairs.fingerprint}
    attrs["key"] = None if is_model else subject.key
    return _table(pairs, [rows[key] for key in keys.values()], metrics, attrs)


def evaluate_folder(
    fused_folder: str | Path,
    pairs: PairSet,
    convention: str = "bsp",
    metrics: Sequence[str] = METRICS,
    progress: bool = True,
) -> pd.DataFrame:
    """Score fused images of any origin; they are found by name without suffix.

    Args:
        fused_folder: image files named after the pairs; colour is read as
            grey. Files of other names are passed over.
        pairs, convention, metrics, progress: see `evaluate`.

    Returns a table as `evaluate` does; its `attrs` name the folder, not the
    protocol, which is unknown.

    Raises FusionError, before anything is scored, for a missing folder, and
    for an image that is missing, ambiguous, unreadable or of another size.
    """
    folder = Path(fused_folder)
    if not folder.is_dir():
        raise FusionError(f"There is no folder {folder}: name the one that holds the fused images.")
    files = {pair.name: _fused_file(folder, pair) for pair in pairs}
    rows = [
        _score_one(read_grey(files[pair.name])[None], pair, metrics, convention)
        for pair in progress_bar(pairs, f"score {folder.name}", len(pairs), quiet=not progress)
    ]
    attrs = {
        "dataset": pairs.dataset,
        "split": pairs.split,
        "fingerprint": pairs.fingerprint,
        "convention": convention,
        "folder": str(folder),
    }
    return _table(pairs, rows, metrics, attrs)


def summary(rows: pd.DataFrame) -> pd.Series:
    """The mean of each metric over the images of `evaluate`'s table."""
    return rows.drop(columns="image").mean()


def _fused_file(folder: Path, pair: Pair) -> Path:
    found = [
        path
        for path in folder.glob("*")
        if path.stem == pair.name and path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not found:
        raise FusionError(f"{folder} has no fused image named {pair.name}: add {pair.name}.png.")
    if len(found) > 1:
        names = " and ".join(sorted(path.name for path in found))
        raise FusionError(f"{folder} holds {names}: remove all but one.")
    height, width = read_grey(found[0]).shape[-2:]
    if (height, width) != pair.ir.shape[-2:]:
        wanted = "x".join(str(side) for side in reversed(pair.ir.shape[-2:]))
        raise FusionError(
            f"{found[0]} is {width}x{height} but its sources are {wanted} (width x height): "
            "fuse at the sources' size."
        )
    return found[0]


def _score_one(fused: Tensor, pair: Pair, metrics: Sequence[str], convention: str) -> dict:
    ir, vi = pair.ir[None].to(fused.device), pair.vi[None].to(fused.device)
    values = score(fused, ir, vi, tuple(metrics), convention)
    return {name: value.item() for name, value in values.items()}


def _table(pairs: PairSet, rows: list[dict], metrics: Sequence[str], attrs: dict) -> pd.DataFrame:
    records = [{"image": name, **row} for name, row in zip(pairs.names, rows, strict=True)]
    table = pd.DataFrame(records, columns=["image", *metrics])
    table.attrs = attrs
    return table


def _cache_path(folder: Path, conditions: dict) -> Path:
    parts = "_".join(str(value) for value in conditions.values())
    return folder / "scores" / f"{parts}_v{METRICS_VERSION}.csv"


def _short(digest: str) -> str:
    return hashlib.sha256(digest.encode()).hexdigest()[:16]


def _read_rows(path: Path) -> Rows:
    with path.open(newline="") as file:
        return {
            (row.pop("image"), row.pop("digest")): {
                name: float(value) for name, value in row.items() if value
            }
            for row in csv.DictReader(file)
        }


def _write_rows(path: Path, rows: Rows) -> None:
    # Python writes a float so that it reads back equal.
    names = list(dict.fromkeys(name for values in rows.values() for name in values))

    def write(beside: Path) -> None:
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["image", "digest", *names], restval="")
            writer.writeheader()
            for (image, digest), values in rows.items():
                writer.writerow({"image": image, "digest": digest, **values})

    write_whole(path, write)
