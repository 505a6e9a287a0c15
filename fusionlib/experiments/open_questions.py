"""What a reviewer of Beyond Strict Pairing would still ask, as rows to train.

    iterations or diversity   more relations, or only more steps?
    draws                     drawn once, each epoch, or all in turn?
    few patches               bases of 3, 5 and 10 patches a side
    strange scenes            infrared and visible of different worlds
    loss as printed           Eq. 4 to the letter, beside the released code's
    gains of baselines        does the GAN gain less than the others?

Rows are named by a mode and T, as in the paper's tables, and trained with the
CNN. The paper has none of them; the last question is answered by Table 1.
"""

import dataclasses
from pathlib import Path

import pandas as pd

from fusionlib import published
from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.experiments import bsp_tables
from fusionlib.experiments.bsp import BASELINES, BATCH, TABLE1_ROWS
from fusionlib.experiments.bsp_tables import MODEL, SIDES, average_improvement, base_of
from fusionlib.experiments.profiles import profile
from fusionlib.experiments.row import Row
from fusionlib.experiments.sizes import Profile
from fusionlib.losses import BSPLoss
from fusionlib.training import Spec

_ALL_OF_60 = 5  # of Table 3's rows, two a size


def iterations_or_diversity(name: str, data: str | Path | None = None) -> list[Row]:
    """T and ten times T: equal epochs, and T for as many steps as ten times T.

    If the third row scores as the second, the gain of more pairs an epoch is
    a gain of more steps. The rows of T keep the pairs of their first epoch:
    drawn anew each epoch, they would meet as many pairs in the end as ten
    times T.

    Args:
        name: the profile.
        data: folder that holds the datasets.
    """
    sizes = profile(name)
    few, many, epochs = sizes.pairs[150], 10 * sizes.pairs[150], sizes.questions.epochs
    base = _base(sizes, data)
    steps, kept = epochs * (many // BATCH), {"redraw": False}
    return [
        _row(sizes, f"{epochs} epochs", few, base, "unpaired", epochs=epochs, **kept),
        _row(sizes, f"{epochs} epochs", many, base, "unpaired", epochs=epochs),
        _row(sizes, f"{steps:,} steps", few, base, "unpaired", steps=steps, **kept),
    ]


def draws(name: str, data: str | Path | None = None) -> list[Row]:
    """Arbitrary pairs drawn once, drawn each epoch, and all of them in turn.

    Of Table 3's base of 60 patches, whose pairs can all be met; the last row
    is that table's.

    Args: as `iterations_or_diversity`.
    """
    sizes = profile(name)
    all_in_turn = bsp_tables.table3(name, data, 1)[_ALL_OF_60]
    (spec,) = all_in_turn.specs
    few = sizes.more.bases[60]
    base = {"ir": spec.ir, "vi": spec.vi}
    steps = _steps(sizes)
    return [
        _row(sizes, "drawn once", few, base, "arbitrary", steps=steps, redraw=False),
        _row(sizes, "drawn each epoch", few, base, "arbitrary", steps=steps),
        dataclasses.replace(all_in_turn, mode="all in turn", trainable=spec.pairs),
    ]


def few_patches(name: str, data: str | Path | None = None) -> list[Row]:
    """All pairs of 3, 5 and 10 patches a side, beside Table 3's 150.

    Args: as `iterations_or_diversity`.
    """
    sizes = profile(name)
    whole = bsp_tables.table3(name, data, 1)[-1]
    rows = [dataclasses.replace(whole, mode=f"{sizes.more.bases[150]} patches")]
    for size in (10, 5, 3):
        base = {side: dataclasses.replace(s, first=size) for side, s in _base(sizes, data).items()}
        row = _row(sizes, f"{size} patches", size**2, base, "arbitrary", steps=_steps(sizes))
        rows.append(row)
    return rows


def strange_scenes(name: str, data: str | Path | None = None) -> list[Row]:
    """Infrared of one world with visible of another, beside pairs of one world.

    The first row is Table 5's row of strict pairs.

    Args: as `iterations_or_diversity`.
    """
    sizes = profile(name)
    paired = bsp_tables.table5(name, data, 1)[0]
    worlds = sizes.questions
    sides = {
        "night": open_pairs(sizes.train, "train", data, worlds.night, sizes.size),
        "day": open_pairs(sizes.train, "train", data, worlds.day, sizes.size),
        "rendered": open_pairs("scenes", "train", names=worlds.rendered, size=worlds.rendered_size),
    }
    pairs = sizes.pairs[7500]
    rows = [dataclasses.replace(paired, mode="paired")]
    for infrared, visible in (("night", "day"), ("day", "night"), ("rendered", "night")):
        base = {
            side: patch_source(sides[world], side, sizes.patch, sizes.patch)
            for side, world in zip(SIDES, (infrared, visible), strict=True)
        }
        mode = f"{infrared} ir, {visible} vi"
        rows.append(_row(sizes, mode, pairs, base, "unpaired", steps=_steps(sizes)))
    return rows


def loss_as_printed(name: str, data: str | Path | None = None) -> list[Row]:
    """The loss of the released code, Eq. 4-5 to the letter, and without their pole.

    See `BSPLoss`. The first row is Table 5's row of strict pairs.

    Args: as `iterations_or_diversity`.
    """
    released = bsp_tables.table5(name, data, 1)[0]
    (spec,) = released.specs
    forms = {"as printed": "paper", "printed, clipped": "clipped"}
    others = {mode: dataclasses.replace(spec, loss=BSPLoss(form=f)) for mode, f in forms.items()}
    return [
        dataclasses.replace(released, mode="as released"),
        *(dataclasses.replace(released, mode=m, specs=(s,)) for m, s in others.items()),
    ]


def _base(sizes: Profile, data: str | Path | None) -> dict:
    base = base_of(sizes, "MSRS", data)
    return {side: patch_source(base, side, sizes.patch, sizes.patch) for side in SIDES}


# Baseline -> the notebook that measures its six rows.
TABLE1_NOTEBOOKS = dict(
    zip(BASELINES, ("table1_generalisation", "table1_transformer", "table1_gan"), strict=True)
)


def gains_of_baselines(results: Path, profile: str) -> pd.DataFrame:
    """Average improvement over SPTP 150 of Table 1's other rows, per cent.

    Args:
        results: the root of the results.
        profile: whose results; tables that are not there are left out.

    Returns columns model, test_set, mode, trainable, paper, ours, low, high.
    """
    first, *others = TABLE1_ROWS
    paper, parts = published.load("bsp", 1), []
    for model, notebook in TABLE1_NOTEBOOKS.items():
        file = results / "beyond_strict_pairing" / notebook / profile / "per_image.csv.gz"
        if file.is_file():
            per_image = pd.read_csv(file, dtype={"image": str, "key": str})
            there = set(zip(per_image["mode"], per_image["trainable"], strict=True))
            against = {row: first for row in others if row in there}
            gains = average_improvement(per_image, paper, model, against)
            parts.append(gains.assign(model=model))
    columns = ["model", "test_set", "mode", "trainable", "paper", "ours", "low", "high"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _steps(sizes: Profile) -> int:
    """As many as the rows of Tables 2 to 7 take, or the smallest row of Table 1."""
    return sizes.more.steps or sizes.epochs * (sizes.pairs[150] // BATCH)


def _row(sizes: Profile, mode: str, pairs: int, base: dict, relation: str, **length) -> Row:
    spec = Spec(
        model=MODEL,
        **base,
        relation=relation,
        pairs=pairs,
        batch=BATCH,
        precision=sizes.precision,
        **length,
    )
    return Row(mode, pairs, (spec,))
