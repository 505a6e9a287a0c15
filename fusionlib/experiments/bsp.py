"""The runs behind Beyond Strict Pairing's tables and figures."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from fusionlib.data import open_pairs
from fusionlib.data.base import PatchSource, patch_count, patch_source
from fusionlib.errors import FusionError
from fusionlib.experiments.profiles import profile, seed_range
from fusionlib.experiments.row import Row
from fusionlib.experiments.sizes import Profile
from fusionlib.pairing import PARADIGMS, relation_size
from fusionlib.training import Spec

# Table 1: training paradigm and trainable pairs T, in the paper's order.
TABLE1_ROWS = (
    ("SPTP", 150), ("UPTP", 150), ("UPTP", 7500),
    ("UPTP", 15000), ("SPTP", 15000), ("APTP", 15000),
)  # fmt: skip

BASELINES = ("bsp-cnn", "bsp-transformer", "bsp-gan")
BATCH = 8  # of the released code; the paper does not print it


def table1(
    name: str,
    model: str = "bsp-cnn",
    data: str | Path | None = None,
    seeds: int | None = None,
    steps: int | None = None,
    only: str = "",
) -> list[Row]:
    """The six rows of Table 1 for one baseline.

    Args:
        name: the profile.
        model: the baseline.
        data: folder that holds the datasets.
        seeds: of the rows whose T is the base's size, and those that the
            profile repeats; default the profile's.
        steps: of every training; default the profile's length of this
            baseline: the CNN's may be longer than the others'.
        only: labels of rows, such as "UPTP 150, APTP 15,000"; default all.
            SPTP 150 is always there, since gains refer to it.

    Raises FusionError for another profile or label, and missing data.
    """
    wanted = _labels(only)
    sizes = profile(name)
    smallest = min(sizes.pairs)
    usual = {"bsp-cnn": None, "bsp-gan": sizes.more.game_steps}.get(model, sizes.more.steps)
    length = steps or usual
    rows = []
    for mode, trainable in TABLE1_ROWS:
        if (mode, trainable) not in wanted:
            continue
        strict_and_wide = mode == "SPTP" and trainable > smallest
        base = _base(sizes, data, wide=strict_and_wide)
        several = trainable == smallest or (model, mode, trainable) in sizes.more.repeated
        many = seed_range(seeds, sizes.seeds) if several else (0,)
        specs = [
            Spec(
                model=model,
                **base,
                relation=PARADIGMS[mode],
                pairs=sizes.pairs[trainable],
                **({"steps": length} if length else sizes.length(trainable, BATCH)),
                batch=BATCH,
                precision=sizes.precision,
                seed=seed,
            )
            for seed in many
        ]
        rows.append(Row(mode, trainable, tuple(specs)))
    return rows


def figure2(
    name: str,
    models: Sequence[str] = BASELINES,
    data: str | Path | None = None,
    seeds: int | None = None,
) -> list[Row]:
    """Figure 2 follows each baseline's two rows of Table 1 with the smallest T."""
    return [row for model in models for row in table1(name, model, data, seeds, only="UPTP 150")]


def first_steps(
    name: str,
    relation: str,
    data: str | Path | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Spec:
    """The short training of the notebook start_here."""
    sizes = profile(name)
    return Spec(
        model="bsp-cnn",
        **_base(sizes, data, wide=False),
        relation=relation,
        pairs=min(sizes.pairs.values()),
        steps=steps or sizes.steps,
        precision=sizes.precision,
        seed=seed,
    )


def length(rows: Sequence[Row]) -> str:
    """How long the rows are trained, for captions: "800 steps each", for example."""
    specs = [spec for row in rows for spec in row.specs]
    if len(steps := {spec.total_steps for spec in specs}) == 1:
        return f"{steps.pop():,} steps each"
    if len(epochs := {spec.total_steps / spec.steps_per_epoch for spec in specs}) == 1:
        return f"{epochs.pop():,.0f} epochs each"
    return f"{min(steps):,} to {max(steps):,} steps"


def describe(rows: list[Row], data: str | Path | None = None) -> pd.DataFrame:
    """What each row trains on, and for how long: a table to read.

    `met` is the share of all pairs of the relation that a training meets: how
    many, where pairs are drawn anew, is an expectation.
    """
    specs = [row.specs[0] for row in rows]
    counts = patch_counts(specs, data)

    def told(source: PatchSource) -> str:
        return ", ".join(f"{counts[part]} of {part.dataset}" for part in source.alone)

    return pd.DataFrame(
        {
            "row": [row.label for row in rows],
            "model": [spec.model for spec in specs],
            "relation": [spec.relation for spec in specs],
            "infrared": [told(spec.ir) for spec in specs],
            "visible": [told(spec.vi) for spec in specs],
            "T": [spec.pairs for spec in specs],
            "met": [round(_met(spec, counts[spec.ir], counts[spec.vi]), 2) for spec in specs],
            "steps": [spec.total_steps for spec in specs],
            "epochs": [round(spec.total_steps / spec.steps_per_epoch, 2) for spec in specs],
            "batch": [spec.batch for spec in specs],
            "patch": [spec.ir.patch for spec in specs],
            "lr": [spec.lr for spec in specs],
            "precision": [spec.precision for spec in specs],
            "runs": [" ".join(spec.key for spec in row.specs) for row in rows],
        }
    ).set_index("row")


def patch_counts(specs: Iterable[Spec], data: str | Path | None = None) -> dict[PatchSource, int]:
    """How many patches each source of the specs gives, and each part of it alone."""
    sources = {source for spec in specs for source in (spec.ir, spec.vi)}
    parts = {part for source in sources for part in source.alone}
    counts = {part: patch_count(part, data) for part in parts}  # each is asked once
    return counts | {source: sum(counts[part] for part in source.alone) for source in sources}


def _met(spec: Spec, ir: int, vi: int) -> float:
    """The share of a relation's pairs that a training meets, of so many patches."""
    share = spec.pairs / relation_size(spec.relation, ir, vi)
    epochs = spec.total_steps / spec.steps_per_epoch
    if not spec.redraw:
        return min(epochs, 1) * share
    # What whole epochs leave out, and the last part of one.
    whole, part = divmod(epochs, 1)
    return 1 - (1 - share) ** whole * (1 - part * share)


def _labels(only: str) -> set[tuple[str, int]]:
    """Rows of Table 1 by their labels, and the one that gains refer to."""
    if not only.strip():
        return set(TABLE1_ROWS)
    known = {f"{mode} {trainable}": (mode, trainable) for mode, trainable in TABLE1_ROWS}
    # The comma of "15,000" stands between digits; that between labels does not.
    labels = re.sub(r"(?<=\d),(?=\d)", "", only).split(",")
    labels = [" ".join(label.split()).upper() for label in labels]
    for label in labels:
        if label not in known:
            raise FusionError(f"Table 1 has no row {label!r}: it has {', '.join(known)}.")
    return {TABLE1_ROWS[0], *(known[label] for label in labels)}


def _base(sizes: Profile, data, wide: bool) -> dict:
    names = sizes.wide if wide else sizes.base
    pairs = open_pairs(sizes.train, "train", data, names, sizes.size)
    stride = sizes.wide_stride if wide else sizes.patch
    return {side: patch_source(pairs, side, sizes.patch, stride) for side in ("ir", "vi")}
