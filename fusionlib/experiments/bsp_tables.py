"""The runs behind Tables 2, 3, 5 and 7 of Beyond Strict Pairing, all of the CNN.

A row is named as in Table 1, by a mode and its trainable pairs T; here the
mode also says what the row is about: "UPTP M3FD+MSRS", "APTP of 15",
"75 ir, 150 vi", "II: intensity, gradient". `printed` gives a published table
the same names.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fusionlib import published
from fusionlib.data import PairSet, open_pairs
from fusionlib.data.base import PatchSource, patch_source
from fusionlib.experiments import table4
from fusionlib.experiments.bsp import BATCH
from fusionlib.experiments.claims import AVERAGE, FIVE, gain, row_of
from fusionlib.experiments.profiles import profile, seed_range
from fusionlib.experiments.row import Row
from fusionlib.experiments.sizes import Profile
from fusionlib.losses import BSPLoss
from fusionlib.pairing import PARADIGMS
from fusionlib.published import Table
from fusionlib.statistics import bootstrap
from fusionlib.training import Spec

MODEL = "bsp-cnn"
# Table 2: infrared and visible set of the six rows with unpaired patches, in the paper's order.
CROSSED = (
    ("M3FD", "MSRS"), ("M3FD", "LLVIP"), ("LLVIP", "MSRS"),
    ("LLVIP", "M3FD"), ("MSRS", "LLVIP"), ("MSRS", "M3FD"),
)  # fmt: skip
# Table 7: the terms of each setting.
TERMS = {
    "I": ("intensity",),
    "II": ("intensity", "gradient"),
    "III": ("intensity", "ssim"),
    "IV": ("gradient", "ssim"),
    "V": ("intensity", "gradient", "ssim"),
}


def table2(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 2: infrared patches of one data set with visible ones of another.

    Args:
        name: the profile.
        data: folder that holds the datasets.
        seeds: of the row that the others are compared with; default the
            profile's.
    """
    sizes = profile(name)
    pairs = {each: base_of(sizes, each, data) for each in ("MSRS", "M3FD", "LLVIP")}

    def row(mode, infrared, visible, trainable, many=None):
        shared = {"ir": _cut(sizes, infrared, pairs, "ir"), "vi": _cut(sizes, visible, pairs, "vi")}
        return _row(sizes, f"{mode} {infrared}+{visible}", mode, trainable, shared, many)

    return [
        row("SPTP", "MSRS", "MSRS", 150, seeds or sizes.seeds),
        row("SPTP", "M3FD", "M3FD", 150),
        row("SPTP", "LLVIP", "LLVIP", 150),
        *(row("UPTP", infrared, visible, 7500) for infrared, visible in CROSSED),
    ]


def table3(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 3: N strict pairs against the N^2 pairs of the same patches.

    Args: as `table2`; `seeds` are those of the strict row of 150.
    """
    sizes = profile(name)
    base = base_of(sizes, "MSRS", data)
    rows = []
    for printed_size, size in sizes.more.bases.items():
        shared = {side: patch_source(base, side, sizes.patch, sizes.patch, size) for side in SIDES}
        if size == max(sizes.more.bases.values()):  # the whole base, as in the other tables
            shared = {side: _cut(sizes, "MSRS", {"MSRS": base}, side) for side in SIDES}
        many = (seeds or sizes.seeds) if printed_size == 150 else None
        for mode, trainable, drawn in (
            ("SPTP", printed_size, size),
            ("APTP", printed_size**2, size**2),
        ):
            one = _row(sizes, f"{mode} of {printed_size}", mode, trainable, shared, many, drawn)
            rows.append(one)
            many = None
    return rows


def table5(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 5: half as many patches of one modality as of the other.

    Args: as `table2`; `seeds` are those of the row of 150 pairs.
    """
    sizes = profile(name)
    base = {"MSRS": base_of(sizes, "MSRS", data)}
    full = {side: _cut(sizes, "MSRS", base, side) for side in SIDES}
    half = {side: dataclasses.replace(full[side], first=sizes.more.half) for side in SIDES}
    return [
        _row(sizes, "150 ir, 150 vi", "SPTP", 150, full, seeds or sizes.seeds),
        _row(sizes, "75 ir, 150 vi", "UPTP", 7500, {"ir": half["ir"], "vi": full["vi"]}),
        _row(sizes, "150 ir, 75 vi", "UPTP", 7500, {"ir": full["ir"], "vi": half["vi"]}),
    ]


def table7(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table 7: the loss without one or two of its terms.

    The training set is not stated; row V has the values of the CNN's LLVIP
    row in Table 4, so Table 4's is taken.

    Args: as `table2`; `seeds` are those of row V, which has all terms.
    """
    sizes = profile(name)
    (whole,) = table4.specs(name, data, 1, (MODEL,))[MODEL]
    rows = []
    for setting, terms in TERMS.items():
        factors = {term: getattr(BSPLoss(), term) if term in terms else 0.0 for term in TERMS["V"]}
        shared = {"ir": whole.ir, "vi": whole.vi, "loss": BSPLoss(**factors)}
        many = (seeds or sizes.seeds) if setting == "V" else None
        rows.append(_row(sizes, named(setting), table4.MODE, table4.TRAINABLE, shared, many))
    return rows


def named(setting: str) -> str:
    """A setting of Table 7 with its terms: "II: intensity, gradient"."""
    return f"{setting}: {', '.join(TERMS[setting])}"


def printed(number: int) -> Table:
    """Table 2, 3, 5 or 7 with rows named as here, by mode and trainable."""
    table = published.load("bsp", number)
    values = table.values
    names = {
        2: lambda row: f"{row.mode} {row.infrared_set}+{row.visible_set}",
        3: lambda row: f"{row.mode} of {row.base}",
        5: lambda row: f"{row.infrared_base} ir, {row.visible_base} vi",
        7: lambda row: named(row.setting),
    }[number]
    trainable = {5: "infrared_trainable"}.get(number, "trainable")
    pairs = values.get(trainable, table4.TRAINABLE)
    modes = [names(row) for row in values.itertuples()]
    return dataclasses.replace(
        table, values=values.assign(mode=modes, trainable=pairs, model=MODEL)
    )


def average_improvement(
    per_image: pd.DataFrame,
    paper: Table,
    model: str,
    against: Mapping[tuple[str, int], tuple[str, int]],
) -> pd.DataFrame:
    """Mean over the five metrics of a row's relative gain, in per cent (Table 3).

    Args:
        per_image: what `measure` returned.
        paper: the published table.
        model: which of its models.
        against: row -> the row that it is compared with, as (mode, T).

    Returns a row a test set and row, with columns paper (recomputed from the
    printed cells), ours (over the seeds that both rows have), and low and
    high, its 95 % paired bootstrap interval over images.
    """
    printed = paper.values.query("model == @model").assign(seed=0, image="the mean")
    printed = printed[printed["metric"].isin(FIVE)]
    index = ["test_set", "mode", "trainable", "seed", "image"]
    printed = printed.pivot_table(index=index, columns="metric", values="value").reset_index()
    rows = []
    for test_set, here in per_image.groupby("test_set", sort=False):
        cells = printed[printed["test_set"] == test_set]
        for row, other in against.items():
            ours, _ = gain(row_of(here, row), row_of(here, other), AVERAGE)
            low, high = bootstrap(ours)
            names = {"test_set": test_set, "mode": row[0], "trainable": row[1]}
            values = {"paper": None, "ours": ours.mean(skipna=False), "low": low, "high": high}
            if len(cells):
                of_paper, _ = gain(row_of(cells, row), row_of(cells, other), AVERAGE)
                values["paper"] = of_paper.mean()
            rows.append(names | values)
    return pd.DataFrame(rows).astype({"paper": float})


def base_of(sizes: Profile, dataset: str, data: str | Path | None) -> PairSet:
    """The images that give the base of a data set."""
    if dataset == "MSRS":
        return open_pairs(sizes.train, "train", data, sizes.base, sizes.size)
    return sizes.more.others[dataset].images.open(data, sizes.size)


SIDES = ("ir", "vi")


def _cut(sizes: Profile, dataset: str, pairs: Mapping[str, PairSet], side: str) -> PatchSource:
    if dataset == "MSRS":
        return patch_source(pairs[dataset], side, sizes.patch, sizes.patch)
    other = sizes.more.others[dataset]
    return patch_source(pairs[dataset], side, sizes.patch, other.stride, other.first)


def _row(sizes, name, mode, trainable, shared, many=None, drawn=None) -> Row:
    """A row of one seed, or of `many`; T is `drawn`, or as the profile has it."""
    drawn = drawn or sizes.pairs[trainable]
    length = {"steps": sizes.more.steps} if sizes.more.steps else {"epochs": sizes.epochs}
    specs = [
        Spec(
            model=MODEL,
            relation=PARADIGMS[mode],
            pairs=drawn,
            batch=BATCH,
            precision=sizes.precision,
            seed=seed,
            **shared,
            **length,
        )
        for seed in (seed_range(many, many) if many else (0,))
    ]
    return Row(name, trainable, tuple(specs))
