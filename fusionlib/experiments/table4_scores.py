"""The rows of Table 4: released weights, trainings of ours, a user's folder."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn

from fusionlib import folders
from fusionlib.data import PairSet
from fusionlib.errors import FusionError
from fusionlib.evaluation import METRICS, evaluate, evaluate_folders
from fusionlib.experiments.bsp import BASELINES
from fusionlib.experiments.kept import Kept, as_kept
from fusionlib.experiments.measure import by_protocol as means_by_protocol
from fusionlib.experiments.measure import measure
from fusionlib.experiments.row import Row
from fusionlib.experiments.table4 import MODE, TRAINABLE, Specs, Tests
from fusionlib.models import load_released
from fusionlib.models.released import RELEASED
from fusionlib.settings import store_root, weights_root
from fusionlib.training import Spec, open_run

FIRST = ["test_set", "method", "weights", "listed", "seed", "key", "image"]


@dataclass(frozen=True)
class Released:
    """A baseline with the authors' weights, and the folder of its rows."""

    model: nn.Module
    keep: Path


def released(
    models: Sequence[str] = BASELINES, fetch: bool = False
) -> tuple[dict[str, Released], dict[str, str]]:
    """The baselines whose released weights are at hand, and why others are not.

    They are looked for in FUSIONLIB_WEIGHTS and in the user's cache.

    Args:
        models: which baselines.
        fetch: get a file that is missing from the authors' repository.

    Returns model -> network, and model -> why it is left out. Raises
    FusionError for a file that is there and is not the one released.
    """
    found, missing = {}, {}
    for name in models:
        if fetch and not _at_hand(name):
            try:
                load_released(name)
            except FusionError as error:
                missing[name] = str(error)
                continue
        file = _at_hand(name)
        if not file:
            missing[name] = f"{name} is left out, its released weights are not at hand"
            continue
        if not RELEASED[name].is_sound(file):
            raise FusionError(
                f"{file} is not the file that was released (its SHA-256 differs): remove it, or "
                "name a folder with the authors' file in FUSIONLIB_WEIGHTS."
            )
        # The hash names the rows, so that those of other bytes are never taken for them.
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        keep = store_root() / "released" / f"{name}-{digest}"
        found[name] = Released(load_released(name, file), keep)
    return found, missing


def score_released(
    networks: dict[str, Released],
    tests: Sequence[Tests],
    protocol: str = "released",
    convention: str = "bsp",
    kept: Path | None = None,
) -> pd.DataFrame:
    """The authors' weights on all images at hand: one row an image.

    kept: a table of before, for networks whose rows are not in the store.

    Returns columns test_set, method, weights ("released"), listed (whether the
    image is on the fixed list), seed, key (the folder of the rows), image and
    a column a metric.
    """
    before = Kept(kept, protocol=protocol, convention=convention)
    parts = []
    for name, network in networks.items():
        for test in tests:
            key, scores = network.keep.name, None
            if not network.keep.is_dir():
                scores = before.scores(key, test.present)
            if scores is None:
                scores = evaluate(
                    network.model, test.present, protocol, convention, keep=network.keep
                )
            parts.append(scores.assign(**_names(test, name, "released"), key=key))
    return joined(parts)


def score_trained(
    trained: Specs,
    tests: Sequence[Tests],
    protocol: str = "released",
    convention: str = "bsp",
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
) -> pd.DataFrame:
    """Train what is missing and score it on the lists: as `score_released`.

    workers: trainings at once, see `train_all`.
    """
    rows = [Row(MODE, TRAINABLE, many) for many in trained.values()]
    listed = [test.listed for test in tests]
    scores = measure(rows, listed, protocol, convention, data, workers, kept)
    models = {spec.key: model for model, many in trained.items() for spec in many}
    parts = []
    for (key, dataset), part in scores.groupby(["key", "test_set"], sort=False):
        test = next(test for test in tests if test.dataset == dataset)
        names = _names(test, models[key], "trained") | {"seed": part["seed"].iloc[0]}
        parts.append(part.drop(columns=["mode", "trainable"]).assign(**names))
    return joined(parts)


def score_folder(
    fused: str | Path, fused_set: str, tests: Sequence[Tests], convention: str = "bsp"
) -> pd.DataFrame:
    """A folder of fused images of any origin: as `score_released`, on one test set.

    Args:
        fused: the folder; "" gives no rows. It names the method.
        fused_set: which test set its images were fused from; those that are
            at hand and have a fused image are scored.
        tests: the test sets.
        convention: whose definitions of the metrics.

    Raises FusionError for a set that is not among them, and for what
    `evaluate_folders` refuses.
    """
    if not str(fused):
        return joined([])
    known = {test.dataset: test for test in tests}
    if fused_set not in known:
        raise FusionError(f"fused_set is one of {', '.join(known)}, not {fused_set!r}.")
    test = known[fused_set]
    named = folders.methods([Path(fused).expanduser()])
    scores = evaluate_folders(named, test.present, convention, METRICS, common=True)
    (method,) = named
    return joined([scores.assign(**_names(test, method, "folder"), key="")])


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the functions above as one, numbers as its file will hold them."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=FIRST)
    table = pd.concat(parts, ignore_index=True)
    return as_kept(table[[*FIRST, *table.columns.difference(FIRST, sort=False)]])


def by_protocol(
    subject: Released | Spec,
    test: PairSet,
    protocols: Sequence[str],
    convention: str = "bsp",
    kept: Path | None = None,
) -> pd.DataFrame:
    """Mean metrics of one network under several protocols: see `measure.by_protocol`.

    A spec must be trained, or be in `kept`.
    """
    if isinstance(subject, Released):
        return means_by_protocol(subject.model, test, protocols, convention, kept, subject.keep)
    return means_by_protocol(open_run(subject), test, protocols, convention, kept)


def _at_hand(name: str) -> Path | None:
    places = [weights_root()] if os.environ.get("FUSIONLIB_WEIGHTS") else []
    places.append(store_root() / "released")
    return next((file for place in places if (file := RELEASED[name].find(place))), None)


def _names(test: Tests, method: str, weights: str) -> dict:
    listed = set(test.listed.names)
    return {
        "test_set": test.dataset,
        "method": method,
        "weights": weights,
        "listed": lambda scores: scores["image"].isin(listed),
        "seed": 0,
    }
