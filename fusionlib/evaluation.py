"""Score a model, a run or folders of fused images: one row an image."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn

from fusionlib import folders, images
from fusionlib.data import Pair, PairSet
from fusionlib.errors import FusionError
from fusionlib.inference import Protocol, fuse, fuse_in_colour
from fusionlib.memory import keep_freed_memory
from fusionlib.metrics import METRICS as KNOWN
from fusionlib.metrics import OF_COLOUR, PRINTED, columns, score
from fusionlib.rows import kept_in, make_rows

if TYPE_CHECKING:
    from fusionlib.training import Run

METRICS = PRINTED["bsp"]


def evaluate(
    subject: "nn.Module | Run",
    pairs: PairSet,
    protocol: str | Protocol = "released",
    convention: str = "bsp",
    metrics: Sequence[str] | str | None = METRICS,
    step: int | None = None,
    precision: str = "float32",
    progress: bool = True,
    keep: str | Path | None = None,
    channels: int | None = None,
) -> pd.DataFrame:
    """Fuse every pair and score the 8-bit result against its sources.

    A network of three channels, and any where ΔE is wanted, is scored in
    colour, see `inference.fuse_in_colour`: ΔE compares colours, and the other
    metrics take the grey of the fused image and of the sources.

    A run keeps its rows in its folder, one an image and its bytes: what has
    been scored is not fused again, also as part of another test set, and a
    killed evaluation goes on where it was. Rows of a bare model are kept in
    the folder `keep`, if one is named.

    Args:
        subject: a model, or a run that `train` returned.
        pairs: the test set.
        protocol: name or `Protocol`, see `fusionlib.inference`.
        convention: see `fusionlib.metrics.score`.
        metrics: names in any case, also as one text such as "EN, MI, deltaE".
            None takes those that the convention's paper prints, "all" every
            one.
        step: which of the run's snapshots; None is the last step. Only for
            runs.
        precision: "float32" or "bfloat16", of the model alone.
        progress: show a bar.
        keep: folder for the rows of a bare model; made where it is missing.
            It must belong to these weights alone, for example by their hash in
            its name, because nothing else tells them from others.
        channels: of the network; None takes a run's own, and 1 for a model.

    Returns a table with the column "image" and those that
    `fusionlib.metrics.columns` names, in the order of `pairs`. Its `attrs`
    hold dataset, split, fingerprint, protocol, convention, precision, step
    and the key of the run (both None for a model).

    Raises FusionError for an unknown name, a step of a model, a folder for a
    run's rows, the run of a segmenter, and for what `fuse` refuses.
    """
    protocol = Protocol.of(protocol)
    is_model = isinstance(subject, nn.Module)
    if is_model and step is not None:
        raise FusionError("step chooses a snapshot of a run: leave it out for a model.")
    if keep is not None:
        if not is_model:
            raise FusionError("keep is for a model: a run keeps its rows in its own folder.")
        if Path(keep).exists() and not Path(keep).is_dir():
            raise FusionError(f"keep must name a folder for rows, but {keep} is a file.")
    if not is_model and subject.spec.kind != "fusion":
        raise FusionError(
            f"Run {subject.key} is a segmenter, which fuses nothing: score it by segment_scores."
        )
    if not is_model and step is None:
        step = subject.spec.total_steps
    chosen, _ = choose(metrics, convention)
    labels = columns(chosen, convention)
    if channels is None:
        channels = 1 if is_model else subject.spec.channels
    colour = channels == 3 or bool(OF_COLOUR.intersection(chosen))
    conditions = {
        "dataset": pairs.dataset,
        "split": pairs.split,
        "protocol": protocol.name,
        "convention": convention,
        "precision": precision,
        "step": step,
        **({"images": "colour"} if colour else {}),
    }
    keep_freed_memory()
    model = once(lambda: subject if is_model else subject.model(step))

    def load(pair: Pair) -> tuple[Tensor, Tensor]:
        return pair.ir[None], (pair.vi_rgb if colour else pair.vi)[None]

    def score_one(ir: Tensor, vi: Tensor) -> dict[str, float]:
        if colour:
            fused = fuse_in_colour(model(), ir, vi, channels, protocol, precision)
        else:
            fused = fuse(model(), ir, vi, protocol, precision)
        return _values(fused, ir, vi, chosen, convention)

    folder = keep if is_model else subject.folder
    rows = make_rows(
        pairs,
        load,
        score_one,
        labels,
        cache=None if folder is None else kept_in(Path(folder), conditions),
        title=f"score {pairs.dataset} {pairs.split}" if progress else None,
    )
    table = _table(pairs, rows, labels)
    key = None if is_model else subject.key
    table.attrs = {**conditions, "fingerprint": pairs.fingerprint, "key": key}
    return table


def evaluate_folder(
    fused_folder: str | Path,
    pairs: PairSet,
    convention: str = "bsp",
    metrics: Sequence[str] | str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score one folder of fused images of any origin: see `evaluate_folders`.

    Returns that table without the column "method"; its `attrs` have "folder"
    in the place of "folders".
    """
    many = evaluate_folders({"": fused_folder}, pairs, convention, metrics, progress=progress)
    table = many.drop(columns="method")
    table.attrs = {k: v for k, v in many.attrs.items() if k != "folders"}
    table.attrs["folder"] = str(fused_folder)
    return table


def evaluate_folders(
    fused_folders: Mapping[str, str | Path],
    pairs: PairSet,
    convention: str = "bsp",
    metrics: Sequence[str] | str | None = None,
    common: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Score the fused images of several methods, found as `folders.match` does.

    In memory are one pair and the next one. No rows are kept between calls.

    Args:
        fused_folders: method -> folder; `folders.methods` makes short names.
        pairs: the sources.
        convention: see `fusionlib.metrics.score`.
        metrics: names in any case, also as one text such as "EN, MI, deltaE".
            None takes those that the convention's paper prints and "all" every
            one, both without those that the images do not allow.
        common: score the pairs that have a fused image in every folder,
            instead of refusing a folder that lacks some.
        progress: show a bar.

    Returns a table with the columns "method", "image" and those that
    `fusionlib.metrics.columns` names, method by method. Its `attrs` hold
    dataset, split, fingerprint, convention, folders, "passed_over" (method ->
    names of images that belong to no pair) and "left_out" (metric -> why).

    Raises FusionError, before anything is scored, for an unknown name, what
    `folders.match` refuses, and a named metric that the images do not allow.
    """
    chosen, named = choose(metrics, convention)
    found = folders.match(fused_folders, pairs, common, progress)
    left_out = _left_out(chosen, convention, found)
    if named and left_out:
        metric, why = next(iter(left_out.items()))
        raise FusionError(f"{why}: leave {metric} out of the metrics.")
    chosen = [metric for metric in chosen if metric not in left_out]
    labels = columns(chosen, convention)
    tables = []
    for method, files in found.files.items():
        rows = _folder_rows(
            files,
            found.pairs,
            chosen,
            convention,
            title=f"score {method}".strip() if progress else None,
        )
        table = _table(found.pairs, rows, labels)
        table.insert(0, "method", method)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {
        "dataset": pairs.dataset,
        "split": pairs.split,
        "fingerprint": found.pairs.fingerprint,
        "convention": convention,
        "folders": {method: str(folder) for method, folder in fused_folders.items()},
        "passed_over": found.passed_over,
        "left_out": left_out,
    }
    return table


def choose(metrics: Sequence[str] | str | None, convention: str) -> tuple[list[str], bool]:
    """Metric names as the library spells them, and whether they were named.

    `metrics` and errors: see `evaluate_folders`.
    """
    columns(KNOWN, convention)  # refuses an unknown convention
    if metrics is None:
        return list(PRINTED[convention]), False
    if isinstance(metrics, str):
        if _plain(metrics) == "all":
            return list(KNOWN), False
        metrics = metrics.split(",")
    return list(dict.fromkeys(_spelled(name) for name in metrics)), True


def summary(rows: pd.DataFrame) -> pd.Series:
    """The mean of each metric over the images of `evaluate`'s table."""
    return rows.drop(columns="image").mean()


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum()).replace("δ", "delta")


def _spelled(name: str) -> str:
    known = {_plain(metric): metric for metric in KNOWN} | {"de": "ΔE"}
    if _plain(name) in known:
        return known[_plain(name)]
    near = [known[close] for close in get_close_matches(_plain(name), known, n=1)]
    guess = f" (did you mean {near[0]}?)" if near else ""
    raise FusionError(
        f"There is no metric {name.strip()!r}{guess}: choose from {', '.join(KNOWN)} or all."
    )


def _left_out(metrics: Sequence[str], convention: str, found: folders.Matched) -> dict[str, str]:
    """Metric -> why the images do not allow it."""
    name, height, width = found.smallest
    # No metric needs more than 256 pixels a side, and this image of the smallest side costs little.
    trial = torch.zeros(1, 3, *[min(height, width, 256)] * 2)
    reasons = {}
    for metric in metrics:
        if metric in OF_COLOUR and found.grey:
            reasons[metric] = f"{metric} needs colour, but {found.grey} is grey"
            continue
        try:
            score(trial, trial[:, :1], trial, (metric,), convention)
        except FusionError:
            reasons[metric] = f"{metric} needs larger images than {name} ({width}x{height} pixels)"
    return reasons


def _folder_rows(
    files: dict[str, Path],
    pairs: PairSet,
    metrics: Sequence[str],
    convention: str,
    title: str | None,
) -> list[dict[str, float]]:
    colour = bool(OF_COLOUR.intersection(metrics))
    read = images.read_colour if colour else images.read_grey

    def load(pair: Pair) -> tuple[Tensor, Tensor, Tensor]:
        vi = pair.vi_rgb if colour else pair.vi
        return read(files[pair.name])[None], pair.ir[None], vi[None]

    def score_one(fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, float]:
        return _values(fused, ir, vi, metrics, convention)

    labels = columns(metrics, convention)
    return make_rows(pairs, load, score_one, labels, cache=None, title=title)


def _values(
    fused: Tensor, ir: Tensor, vi: Tensor, metrics: Sequence[str], convention: str
) -> dict[str, float]:
    values = score(fused, ir.to(fused.device), vi.to(fused.device), tuple(metrics), convention)
    return {label: value.item() for label, value in values.items()}


def _table(pairs: PairSet, rows: list[dict], labels: Sequence[str]) -> pd.DataFrame:
    records = [{"image": name, **row} for name, row in zip(pairs.names, rows, strict=True)]
    return pd.DataFrame(records, columns=["image", *labels])
