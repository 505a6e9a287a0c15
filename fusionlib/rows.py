"""Rows of scores, one an image; those of networks can be kept on disk."""

import csv
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fusionlib.data import Pair, PairSet
from fusionlib.files import write_whole
from fusionlib.progress import progress as progress_bar

# Part of every cache file's name: raise it when a metric or a protocol changes its values.
METRICS_VERSION = 2
IMAGES_BETWEEN_SAVES = 8

Item, Result = TypeVar("Item"), TypeVar("Result")
Rows = dict[tuple[str, str], dict[str, float]]  # image name, digest -> label -> value


def make_rows(
    pairs: PairSet,
    load: Callable[[Pair], tuple],
    score: Callable[..., dict[str, float]],
    labels: Sequence[str],
    cache: Path | None,
    title: str | None,
) -> list[dict[str, float]]:
    """One row a pair, in the order of `pairs`.

    Args:
        pairs: the sources.
        load: reads what `score` takes; runs in another thread, one pair ahead.
        score: the row of what `load` gave.
        labels: what a row must hold, so that a kept one will do.
        cache: CSV file where rows are kept between calls, an image by its name
            and its sources' bytes; None keeps none.
        title: of the progress bar; None shows none.

    Whatever ends the work early, the rows that were made are in the file.
    """
    rows = _read(cache) if cache and cache.exists() else {}

    def prepare(pair: Pair) -> tuple:
        key = (pair.name, hashlib.sha256(pair.digest.encode()).hexdigest()[:16])
        is_kept = rows.get(key, {}).keys() >= set(labels)
        return key, None if is_kept else load(pair)

    keys, unsaved = [], 0
    try:
        for key, loaded in progress_bar(
            ahead(prepare, pairs), title or "", len(pairs), quiet=title is None
        ):
            keys.append(key)
            if loaded is None:
                continue
            rows[key] = {**rows.get(key, {}), **score(*loaded)}
            unsaved += 1
            if cache and unsaved % IMAGES_BETWEEN_SAVES == 0:
                _write(cache, rows)
    finally:
        if cache and unsaved:
            _write(cache, rows)
    return [rows[key] for key in keys]


def kept_in(folder: Path, conditions: dict) -> Path:
    """The cache file of these conditions, in the folder of a run or of weights."""
    parts = "_".join(str(value) for value in conditions.values())
    return folder / "scores" / f"{parts}_v{METRICS_VERSION}.csv"


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map`, with the next item worked on while the caller uses the last one."""
    with ThreadPoolExecutor(1) as pool:
        pending = deque()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _read(path: Path) -> Rows:
    with path.open(newline="") as file:
        return {
            (row.pop("image"), row.pop("digest")): {
                label: float(value) for label, value in row.items() if value
            }
            for row in csv.DictReader(file)
        }


def _write(path: Path, rows: Rows) -> None:
    # Python writes a float so that it reads back equal.
    labels = list(dict.fromkeys(label for values in rows.values() for label in values))

    def write(beside: Path) -> None:
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["image", "digest", *labels], restval="")
            writer.writeheader()
            for (image, digest), values in rows.items():
                writer.writerow({"image": image, "digest": digest, **values})

    write_whole(path, write)
