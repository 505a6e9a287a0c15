"""The runs behind RegionFuse's tables and figures: a reconstruction, trained anew.

A row's mode says what it is: "R = 48", "E4-K2", "lambda = 5", "mu = 5",
"PIAF*". `printed` gives a published table the same names.
"""

import dataclasses
import inspect
from pathlib import Path

import pandas as pd

from fusionlib import published
from fusionlib.data.base import joined, patch_source
from fusionlib.experiments.profiles import profile, seed_range
from fusionlib.experiments.regionfuse_profiles import RegionFuseSizes, regionfuse_sizes
from fusionlib.experiments.row import Row
from fusionlib.losses import RegionFuseLoss, SeAFusionLoss
from fusionlib.metrics import PRINTED, columns, metric_of
from fusionlib.models.regionfuse import ROUNDS, RegionFuse
from fusionlib.published import Table
from fusionlib.ranking import rank
from fusionlib.training import Spec

MODEL = "regionfuse"
OURS, PIAF, PIAF_X = "Ours", "PIAF", "PIAF*"
# What PIAFusion learns by, without its term of the illumination: that needs a classifier.
PIAF_LOSS = SeAFusionLoss(intensity=7, gradient=50)
# The paper's metrics, each candidate by itself.
LABELS = tuple(columns(PRINTED[MODEL], MODEL))
REGION, GRADIENT, LOAD = 48, 5.0, 5.0  # R, lambda and mu of the paper


def region_sizes(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 1: the side R of a region.

    Args:
        name: the profile.
        data: folder that holds the datasets.
        seeds: of the row with the usual setting; default the profile's.
    """
    return [_row(name, data, seeds if r == REGION else 1, f"R = {r}", {"region": r})
            for r in regionfuse_sizes(name).regions]  # fmt: skip


def experts(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Figures 4 and 5: E experts, of which a token goes to K. Args: as `region_sizes`.

    Where K = 1 the weight of a token's expert is its probability, as it is:
    divided by itself it would be 1, and the fusion loss would never reach the
    router.
    """
    usual, *others = regionfuse_sizes(name).grid
    rows = [_row(name, data, seeds, "E{}-K{}".format(*usual), {})]
    for e, k in others:
        options = {"experts": e, "chosen": k} | ({"renormalised": False} if k == 1 else {})
        rows.append(_row(name, data, 1, f"E{e}-K{k}", options))
    return rows


def gradients(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 2: the gradient loss's factor lambda. Args: as `region_sizes`."""
    return [
        _row(name, data, seeds if x == GRADIENT else 1, f"lambda = {x:g}", gradient=x)
        for x in regionfuse_sizes(name).gradients
    ]


def loads(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 3: the load-balancing loss's factor mu. Args: as `region_sizes`."""
    return [
        _row(name, data, seeds if x == LOAD else 1, f"mu = {x:g}", load=x)
        for x in regionfuse_sizes(name).loads
    ]


def encoders(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 5: PIAFusion with its own encoder and with X-Restormer's, and RegionFuse.

    Args: as `region_sizes`, but a number of seeds counts for every row.
    PIAFusion may take another learning rate, and more steps with its own
    encoder, see `RegionFuseSizes`.
    """
    usual, sizes = _row(name, data, seeds, OURS, {}), regionfuse_sizes(name)
    other = {"model": "piafusion", "loss": PIAF_LOSS, "lr": sizes.piafusion_lr}
    steps = sizes.piafusion_steps
    changed = {PIAF: {"options": {}} | ({"steps": steps} if steps else {}),
               PIAF_X: {"options": {"encoder": "xrestormer"}}}  # fmt: skip
    given = usual.specs[: seeds or 1]
    rows = [
        Row(mode, 0, tuple(dataclasses.replace(spec, **other, **of) for spec in given))
        for mode, of in changed.items()
    ]
    return [*rows, usual]


def length(rows: list[Row]) -> str:
    """How the rows are trained, and how wide the network is, for captions."""
    specs = [row.specs[0] for row in rows if row.specs[0].model == MODEL]
    usual = inspect.signature(RegionFuse).parameters
    found = {
        letter: {dict(spec.options).get(name, usual[name].default) for spec in specs}
        for name, letter in (("width", "C"), ("region", "R"))
    }
    # What the rows differ in is in their names.
    shared = ", ".join(
        f"{name} = {value.pop()}" for name, value in found.items() if len(value) == 1
    )
    spec, others = specs[0], len(specs) < len(rows)
    size = f"{spec.ir.patch}x{spec.ir.patch}"
    balanced = spec.loss.load_epochs * spec.steps_per_epoch
    longer = "".join(
        f" ({row.mode} {row.specs[0].total_steps:,})"
        for row in rows
        if row.specs[0].total_steps != spec.total_steps
    )
    return (
        f"reconstruction, {shared}{', PIAFusion at its full width' if others else ''};"
        f" {spec.total_steps:,} steps{longer} of"
        f" {spec.batch} patch{'es' if spec.batch > 1 else ''} of"
        f" {size} of {spec.ir.where}, the load loss in the first {balanced:,}"
    )


def printed(number: int) -> Table:
    """Table 1, 2, 3 or 5 with rows named as here.

    It is not known who computed AG and Qcb: the printed cell stands beside
    each candidate of ours.
    """
    table = published.load("regionfuse", number)
    modes = {
        1: lambda row: f"R = {row.region_size}",
        2: lambda row: f"lambda = {row.gradient_weight:g}",
        3: lambda row: f"mu = {row.load_weight:g}",
        5: lambda row: row.model_printed,
    }[number]
    values = table.values[~table.values["metric"].isin(["MR", "RoR"])]
    values = values.assign(mode=[modes(row) for row in values.itertuples()], trainable=0)
    parts = [values[values["metric"] == metric_of(label)].assign(metric=label) for label in LABELS]
    values = pd.concat(parts, ignore_index=True).assign(model=MODEL, test_set="MSRS")
    return dataclasses.replace(table, values=values, metrics=LABELS)


def ranks(per_image: pd.DataFrame) -> pd.DataFrame:
    """Means of each row, mean rank over the metrics, and rank of rank (Table 2).

    Of the seeds that all rows have: a mean over more seeds than the other rows
    have seldom ranks first or last.
    """
    seeds = set.intersection(*(set(row["seed"]) for _, row in per_image.groupby("mode")))
    return _ranked(per_image[per_image["seed"].isin(seeds)])


def ranks_by_seed(per_image: pd.DataFrame, mode: str) -> pd.DataFrame:
    """MR and RoR of one row, seed by seed, among the others as they are: index seed."""
    own = per_image["mode"] == mode
    others = per_image[~own]
    found = {
        seed: _ranked(pd.concat([row, others])).loc[mode, ["MR", "RoR"]]
        for seed, row in per_image[own].groupby("seed")
    }
    return pd.DataFrame(found).T.rename_axis("seed")


def _ranked(per_image: pd.DataFrame) -> pd.DataFrame:
    means = per_image.groupby(["mode", "image"], sort=False)[list(LABELS)].mean()
    return rank(means.groupby("mode", sort=False).mean())


def region_memory(width: int, patch: int, chosen: float = 0.5) -> pd.DataFrame:
    """Tokens of a square patch, and memory of their scores, by R (Table 1's last row).

    Args:
        width: C of either modality; a round sees 2 C channels.
        patch: side, in pixels.
        chosen: K / E, the share of the tokens that an expert gets.

    Returns columns R, tokens, and GB of float32 scores of one patch in three
    rounds of 4 experts, which a training keeps where attention is written
    out: dense, each masked, and gathered, each expert's own alone, for an even
    load; where all tokens go to the same experts, as an untrained router sends
    them, it is dense times K / E.
    """
    rows = []
    for region in (64, 48, 32, 16):
        tokens = 2 * width * (-(-patch // region)) ** 2
        scores = ROUNDS * 4 * tokens**2 * 4 / 1e9
        rows.append({"R": region, "tokens": tokens, "dense, GB": scores,
                     "gathered, GB": scores * chosen**2})  # fmt: skip
    return pd.DataFrame(rows).set_index("R")


def _row(name, data, seeds, mode, options=None, **loss) -> Row:
    sizes = regionfuse_sizes(name)
    factors = {"gradient": GRADIENT, "load": LOAD, "load_epochs": sizes.load_epochs}
    objective = RegionFuseLoss(**factors | loss)
    many = seed_range(seeds, sizes.seeds)
    specs = (_spec(name, sizes, data, options or {}, objective, seed) for seed in many)
    return Row(mode, 0, tuple(specs))


def _spec(name: str, sizes: RegionFuseSizes, data, options: dict, loss, seed: int) -> Spec:
    sets = [images.open(data, sizes.size) for images in sizes.train]
    cut = {
        side: joined(*(patch_source(pairs, side, sizes.patch, sizes.stride) for pairs in sets))
        for side in ("ir", "vi")
    }
    return Spec(
        model=MODEL,
        **cut,
        relation="strict",
        pairs=sizes.pairs,
        batch=sizes.batch,
        lr=sizes.lr,
        precision=profile(name).precision,
        seed=seed,
        loss=loss,
        options=sizes.options | options,
        **sizes.length,
    )
