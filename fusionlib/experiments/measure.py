"""Rows of a table to rows of numbers: train what is missing, score every run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from torch import nn

from fusionlib.data import PairSet
from fusionlib.evaluation import evaluate, summary
from fusionlib.experiments.bsp import patch_counts
from fusionlib.experiments.kept import Kept, as_kept
from fusionlib.experiments.row import Row
from fusionlib.pairing import Draw
from fusionlib.training import Run, Spec, open_run, plan, submit, train
from fusionlib.training.planning import PROBED_STEPS


def check(rows: Sequence[Row], data: str | Path | None = None) -> None:
    """See that every row's pairs can be drawn, before the first is trained.

    Raises FusionError for a row that asks for more pairs than its base gives.
    """
    specs = [row.specs[0] for row in rows]
    counts = patch_counts(specs, data)
    for spec in specs:
        Draw(spec.relation, counts[spec.ir], counts[spec.vi], spec.pairs, spec.seed, spec.redraw)


def train_all(
    specs: Iterable[Spec], data: str | Path | None = None, workers: int | None = 1
) -> list[Run]:
    """Train the specs that have no finished run.

    Args:
        specs: what to train.
        data: folder that holds the datasets.
        workers: 1 trains in this process, one after another; more, or None
            for as many as the machine has room for, in processes of their
            own (see `submit`). To start one takes seconds, so where much is
            to be trained a probe first tells how long that takes.
    """
    specs = list(specs)
    if workers == 1:
        return [train(spec, data) for spec in specs]
    left = {spec: spec.total_steps for spec in specs if not open_run(spec).finished}
    if sum(left.values()) > 2 * PROBED_STEPS:  # else it is over as soon as probed
        ahead = plan(specs, data, workers)
        print(ahead, flush=True)
        workers = ahead.workers
    return submit(specs, data, workers=workers)


def train_unless_shown(
    specs: Sequence[Spec],
    folder: Path,
    chosen: Mapping,
    data: str | Path | None = None,
    workers: int | None = 1,
) -> None:
    """Train the specs, unless the record in `folder` was made from their runs elsewhere.

    For notebooks whose results are pictures: these stand in for runs that are
    not here, where the record names the same parameters.

    chosen: the notebook's parameters, as its record holds them.
    """
    record = folder / "record.json"
    told = json.loads(record.read_text("utf-8")) if record.is_file() else {"parameters": None}
    keys = {run["key"] for run in told.get("runs", ())}
    if told["parameters"] != dict(chosen) or not {spec.key for spec in specs} <= keys:
        train_all(specs, data, workers)


def measure(
    rows: Sequence[Row],
    tests: Sequence[PairSet],
    protocol: str = "released",
    convention: str = "bsp",
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row an image, run and test set.

    Trains the specs that have no finished run (`workers` of them at once, see
    `train_all`), then scores each run; what was trained and scored before is
    read from the store, and what is trained elsewhere from a table that this
    function made there.

    Args:
        rows: of the table.
        tests: the test sets.
        protocol, convention: as `evaluate`.
        data: folder that holds the datasets.
        workers: trainings at once.
        kept: a table of before, for runs that are not in the store; it counts
            where it has all test images of a spec, and where the record
            beside it names this protocol and convention.
        metrics: None takes those that the convention's paper prints.

    Returns columns test_set, mode, trainable, seed, key, image and a column
    a metric, in the six digits that its file holds (see `kept.as_kept`).
    """
    check(rows, data)
    before = Kept(kept, protocol=protocol, convention=convention)
    known = {}  # what is here of runs that are not
    for spec in _missing(rows):
        scores = [before.scores(spec.key, test) for test in tests]
        if all(part is not None for part in scores):
            known[spec.key] = scores
    train_all((spec for _, spec in _each(rows) if spec.key not in known), data, workers)
    parts = []
    for row, spec in _each(rows):
        run = open_run(spec)
        for index, test in enumerate(tests):
            if spec.key in known:
                scores = known[spec.key][index]
            else:
                scores = evaluate(run, test, protocol, convention, metrics)
            names = {"test_set": test.dataset, "mode": row.mode, "trainable": row.trainable}
            parts.append(scores.assign(**names, seed=spec.seed, key=run.key))
    table = pd.concat(parts, ignore_index=True)
    first = ["test_set", "mode", "trainable", "seed", "key", "image"]
    return as_kept(table[[*first, *table.columns.difference(first, sort=False)]])


def histories(
    rows: Sequence[Row],
    data: str | Path | None = None,
    kept: Path | None = None,
    workers: int | None = 1,
) -> pd.DataFrame:
    """Loss terms of every step of every run, trained where it is missing.

    Args:
        rows: of a table.
        data: folder that holds the datasets.
        kept: a table of before, also a smoothed one, for runs that are not in
            the store.
        workers: trainings at once, see `train_all`.

    Returns columns step, epoch, the loss terms, model, mode, trainable, seed
    and key.
    """
    before = Kept(kept)
    known = {}
    for spec in _missing(rows):
        course = before.course(spec.key, spec.total_steps)
        if course is not None:
            known[spec.key] = course
    train_all((spec for _, spec in _each(rows) if spec.key not in known), data, workers)
    parts = []
    for row, spec in _each(rows):
        course = known[spec.key] if spec.key in known else open_run(spec).history()
        parts.append(course.assign(**_names(row, spec)))
    return pd.concat(parts, ignore_index=True)


def snapshot_scores(
    rows: Sequence[Row],
    test: PairSet,
    metrics: Sequence[str] = ("SSIM",),
    protocol: str = "whole+stretch",
    convention: str = "bsp",
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
) -> pd.DataFrame:
    """One row an image and snapshot of every run.

    With one worker a snapshot is scored as soon as it is written, else when
    all is trained (see `train_all`). kept: as `measure` takes it.

    Returns columns test_set, model, mode, trainable, seed, key, step, image and
    a column a metric, in six digits as those of `measure`.
    """

    check(rows, data)
    before = Kept(kept, protocol=protocol, convention=convention)
    known = {}
    for spec in _missing(rows):
        scores = {step: before.scores(spec.key, test, metrics, step) for step in spec.snapshots}
        if all(part is not None for part in scores.values()):
            known[spec.key] = scores
    if workers != 1:
        train_all((spec for _, spec in _each(rows) if spec.key not in known), data, workers)

    def score(run, step):
        return evaluate(run, test, protocol, convention, metrics, step, progress=False)

    parts = []
    for row, spec in _each(rows):
        scores = known.get(spec.key)
        if scores is None:
            run = train(spec, data, on_snapshot=score)
            scores = {step: score(run, step) for step in spec.snapshots}
        parts += [part.assign(**_names(row, spec), step=step) for step, part in scores.items()]
    table = pd.concat(parts, ignore_index=True).assign(test_set=test.dataset)
    first = ["test_set", "model", "mode", "trainable", "seed", "key", "step", "image"]
    return as_kept(table[[*first, *metrics]])


def _missing(rows: Sequence[Row]) -> list[Spec]:
    """Specs whose runs are not in the store."""
    return [spec for _, spec in _each(rows) if not open_run(spec).finished]


def _each(rows: Sequence[Row]) -> list[tuple[Row, Spec]]:
    return [(row, spec) for row in rows for spec in row.specs]


def _names(row: Row, spec: Spec) -> dict:
    """Columns that tell runs apart."""
    return {
        "model": spec.model,
        "mode": row.mode,
        "trainable": row.trainable,
        "seed": spec.seed,
        "key": spec.key,
    }


def by_protocol(
    subject: nn.Module | Run,
    test: PairSet,
    protocols: Sequence[str],
    convention: str = "bsp",
    kept: Path | None = None,
    keep: Path | None = None,
) -> pd.DataFrame:
    """Mean metrics of one network under several protocols, a row a protocol.

    Of a run that was trained elsewhere, or a model whose rows are not here: the
    table `kept`, made there. keep: as `evaluate` takes it for a model.
    """
    before = Kept(kept, convention=convention)
    if isinstance(subject, Run):
        elsewhere = not subject.finished and before.made_from([subject.key])
    else:
        elsewhere = keep is not None and not keep.is_dir()
    if elsewhere and before.table is not None and list(before.table["protocol"]) == list(protocols):
        return before.table
    means = [summary(evaluate(subject, test, name, convention, keep=keep)) for name in protocols]
    table = pd.DataFrame(means)
    table.insert(0, "protocol", list(protocols))
    return table
