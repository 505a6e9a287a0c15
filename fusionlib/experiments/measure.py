"""Rows of a table to rows of numbers: train what is missing, score every run."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from fusionlib.data import PairSet
from fusionlib.data.base import patch_count
from fusionlib.evaluation import evaluate, summary
from fusionlib.experiments.bsp import Row
from fusionlib.pairing import Draw
from fusionlib.training import Run, Spec, open_run, plan, submit, train
from fusionlib.training.planning import PROBED_STEPS


def check(rows: Sequence[Row], data: str | Path | None = None) -> None:
    """See that every row's pairs can be drawn, before the first is trained.

    Raises FusionError for a row that asks for more pairs than its base gives.
    """
    counts = {}
    for spec in (row.specs[0] for row in rows):
        for source in (spec.ir, spec.vi):
            if source not in counts:
                counts[source] = patch_count(source, data)
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


def measure(
    rows: Sequence[Row],
    tests: Sequence[PairSet],
    protocol: str = "released",
    convention: str = "bsp",
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
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

    Returns columns test_set, mode, trainable, seed, key, image and a column
    a metric.
    """
    check(rows, data)
    before = _read_kept(kept, protocol=protocol, convention=convention)
    specs = {spec.key: spec for row in rows for spec in row.specs}
    known = {} if before is None else {key: _kept(before, key, tests) for key in specs}
    train_all((spec for key, spec in specs.items() if known.get(key) is None), data, workers)
    parts = []
    for row in rows:
        for spec in row.specs:
            run = open_run(spec)
            for index, test in enumerate(tests):
                if run.finished or known.get(spec.key) is None:
                    scores = evaluate(run, test, protocol, convention)
                else:
                    scores = known[spec.key][index]
                names = {"test_set": test.dataset, "mode": row.mode, "trainable": row.trainable}
                parts.append(scores.assign(**names, seed=spec.seed, key=run.key))
    table = pd.concat(parts, ignore_index=True)
    first = ["test_set", "mode", "trainable", "seed", "key", "image"]
    return table[[*first, *table.columns.difference(first, sort=False)]]


def _kept(before: pd.DataFrame, key: str, tests: Sequence[PairSet]) -> list[pd.DataFrame] | None:
    """What a table of before holds of a run, a part a test set; None if not all."""
    parts = []
    for test in tests:
        here = before[(before["key"] == key) & (before["test_set"] == test.dataset)]
        if here["image"].tolist() != list(test.names):
            return None
        parts.append(here.loc[:, "image":])  # as `evaluate` has it: the metrics follow
    return parts


def _read_kept(kept: Path | None, **conditions: str) -> pd.DataFrame | None:
    """A table of before, if the record beside it names these conditions."""
    if kept is None or not kept.is_file():
        return None
    record = kept.with_name("record.json")
    told = json.loads(record.read_text("utf-8"))["parameters"] if record.is_file() else {}
    if any(told.get(name) != value for name, value in conditions.items()):
        return None
    return pd.read_csv(kept, dtype={"image": str, "key": str})  # some look like numbers


def histories(rows: Sequence[Row], data: str | Path | None = None) -> pd.DataFrame:
    """Loss terms of every step of every run: mode, trainable, seed, key, step, ..."""
    parts = []
    for row in rows:
        for spec in row.specs:
            run = train(spec, data)
            names = {"mode": row.mode, "trainable": row.trainable, "seed": spec.seed}
            parts.append(run.history().assign(**names, key=run.key))
    return pd.concat(parts, ignore_index=True)


def snapshot_scores(
    rows: Sequence[Row],
    test: PairSet,
    metrics: Sequence[str] = ("SSIM",),
    protocol: str = "whole+stretch",
    convention: str = "bsp",
    data: str | Path | None = None,
    workers: int | None = 1,
) -> pd.DataFrame:
    """Mean metrics of every snapshot of every run.

    With one worker a snapshot is scored as soon as it is written, else when
    all is trained (see `train_all`).

    Returns columns mode, trainable, seed, key, step and a column a metric.
    """

    check(rows, data)
    if workers != 1:
        train_all((spec for row in rows for spec in row.specs), data, workers)

    def score(run, step):
        return evaluate(run, test, protocol, convention, metrics, step, progress=False)

    parts = []
    for row in rows:
        for spec in row.specs:
            run = train(spec, data, on_snapshot=score)
            for step in spec.snapshots:
                means = score(run, step)[list(metrics)].mean().to_dict()
                names = {"mode": row.mode, "trainable": row.trainable, "seed": spec.seed}
                parts.append({**names, "key": run.key, "step": step, **means})
    return pd.DataFrame(parts)


def by_protocol(
    run: Run,
    test: PairSet,
    protocols: Sequence[str],
    convention: str = "bsp",
    kept: Path | None = None,
) -> pd.DataFrame:
    """Mean metrics of one run under several protocols, a row a protocol.

    Of a run that was trained elsewhere: the table `kept`, made there.
    """
    if not run.finished and (before := _read_kept(kept, convention=convention)) is not None:
        return before
    means = [summary(evaluate(run, test, name, convention)) for name in protocols]
    table = pd.DataFrame(means)
    table.insert(0, "protocol", list(protocols))
    return table
