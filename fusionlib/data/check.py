"""What datasets are at hand, and whether each of their files can be used."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusionlib.data.datasets import (
    DATASETS,
    NAMES,
    SCENES_LICENCE,
    check_split,
    match_split,
    open_pairs,
    splits_of,
)
from fusionlib.data.pairs import Pair, PairSet
from fusionlib.errors import FusionError
from fusionlib.progress import progress as progress_bar
from fusionlib.settings import data_root


@dataclass(frozen=True)
class SplitReport:
    """What `check` found in one split."""

    split: str
    pairs: int
    # Of the pairs, also those with a problem; where no file was opened, their outline.
    fingerprint: str
    problems: tuple[str, ...]  # one sentence each


@dataclass(frozen=True)
class CheckReport:
    """What `check` found in a dataset; `print` shows it."""

    dataset: str
    licence: str
    splits: tuple[SplitReport, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems of all splits, one sentence each."""
        return tuple(problem for split in self.splits for problem in split.problems)

    @property
    def ok(self) -> bool:
        """Whether every file has its partners and can be read."""
        return not self.problems

    def __str__(self) -> str:
        lines = [f"{self.dataset} (licence: {self.licence})"]
        for split in self.splits:
            state = f"{len(split.problems)} problems" if split.problems else "no problem"
            lines.append(
                f"  {split.split}: {split.pairs} pairs, fingerprint {split.fingerprint}, {state}"
            )
            lines += [f"    {problem}" for problem in split.problems]
        return "\n".join(lines)


def check(
    dataset: str,
    split: str | None = None,
    data: str | Path | None = None,
    progress: bool = True,
    decode: bool = True,
) -> CheckReport:
    """Count, pair and fully decode every file of a dataset.

    Args:
        dataset: its name, as for `open_pairs`.
        split: one split; None checks those that are at hand.
        data: folder that holds the datasets; default FUSIONLIB_DATA.
        progress: whether a progress bar is shown.
        decode: False opens no file; instead of the fingerprint of their bytes
            the report has the `outline` of their names and sizes.

    Returns:
        The report: all problems, not only the first.

    Raises:
        FusionError: unknown dataset or split, or none of it is at hand.
    """
    splits = splits_of(dataset) if split is None else (split,)
    reports, absent = [], None
    for each in splits:
        check_split(dataset, each)
        try:
            pairs, problems = _pairs(dataset, each, data)
        except FusionError as error:
            absent = error
            continue
        pairs = PairSet(dataset, each, tuple(pairs))
        if decode:
            for pair in progress_bar(pairs, f"check {dataset} {each}", quiet=not progress):
                problems += _unreadable(pair)
        told = pairs.fingerprint if decode else outline(pairs)
        reports.append(SplitReport(each, len(pairs), told, tuple(problems)))
    if not reports:
        raise absent
    return CheckReport(dataset, _licence(dataset), tuple(reports))


def outline(pairs: PairSet) -> str:
    """16 hex digits of the SHA-256 of all names and files' sizes in bytes.

    Unlike `PairSet.fingerprint` it opens no file: an image altered within the
    same number of bytes passes. Rendered scenes have names alone.
    """
    lines = []
    for pair in pairs:
        sizes = (path.stat().st_size for path in getattr(pair, "files", ()))
        lines.append(f"{pair.name} {' '.join(map(str, sizes))}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def list_datasets(data: str | Path | None = None) -> pd.DataFrame:
    """A table of all datasets, one row a split; files are counted, not opened.

    Columns: dataset, split, present (bool), pairs, licence, get (whether
    `fusionlib data get` fetches it). Where no data folder is named, only scenes
    are present.
    """
    if data is not None or "FUSIONLIB_DATA" in os.environ:
        data_root(data)  # a wrong folder is an error, none at all is not
    rows = []
    for dataset in NAMES:
        for split in splits_of(dataset):
            try:
                pairs = len(_pairs(dataset, split, data)[0])
            except FusionError:
                pairs = 0
            fetched = dataset in DATASETS and DATASETS[dataset].git is not None
            rows.append((dataset, split, pairs > 0, pairs, _licence(dataset), fetched))
    return pd.DataFrame(rows, columns=["dataset", "split", "present", "pairs", "licence", "get"])


def format_list(table: pd.DataFrame) -> str:
    """The table of `list_datasets` as text."""
    shown = table.assign(
        present=table.present.map({True: "yes", False: "no"}),
        get=table["get"].map({True: "fusionlib data get", False: ""}),
    )
    return shown.to_string(index=False)


def _licence(dataset: str) -> str:
    return SCENES_LICENCE if dataset == "scenes" else DATASETS[dataset].licence


def _pairs(dataset: str, split: str, data: str | Path | None) -> tuple[list[Pair], list[str]]:
    if dataset == "scenes":
        return list(open_pairs(dataset, split)), []
    return match_split(DATASETS[dataset], split, data_root(data) / dataset)


def _unreadable(pair: Pair) -> list[str]:
    """Problems of one pair, each once: sizes are compared again at every access."""
    problems = {}
    for part in ("ir", "vi", "labels"):
        try:
            getattr(pair, part)
        except FusionError as error:
            problems[str(error)] = None
    return list(problems)
