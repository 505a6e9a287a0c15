"""Table 6 of Beyond Strict Pairing: published methods, trained anew on strict and unpaired pairs.

The caption names LLVIP, but the printed values are of MSRS's height, so both
sets are scored and the printed row stands beside each.
"""

import dataclasses
from pathlib import Path

import pandas as pd

from fusionlib import published
from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.experiments.bsp_tables import average_improvement
from fusionlib.experiments.profiles import profile
from fusionlib.experiments.row import Row
from fusionlib.pairing import PARADIGMS
from fusionlib.published import Table
from fusionlib.training import Spec

# As the table has them: what is trained on how many pairs.
ROWS = (("SPTP", 150), ("UPTP", 15000), ("SPTP", 15000))
SETS = ("MSRS", "LLVIP")


def specs(name: str, data: str | Path | None = None) -> dict[str, list[Row]]:
    """Method -> its three rows, each with the loss and recipe of its paper.

    Args:
        name: the profile; it says which methods, and how large and long.
        data: folder that holds the datasets.
    """
    sizes = profile(name)
    rows = {}
    for model, how in sizes.table6.items():
        rows[model] = []
        for mode, trainable in ROWS:
            wide = mode == "SPTP" and trainable > min(sizes.pairs)
            names = sizes.wide if wide else sizes.base
            pairs = open_pairs(sizes.train, "train", data, names, sizes.size)
            # Smaller patches lie as far apart, so there are as many.
            stride = sizes.wide_stride if wide else sizes.patch
            length = {"steps": how.steps} if how.steps else {"epochs": sizes.epochs}
            spec = Spec(
                model=model,
                ir=patch_source(pairs, "ir", how.patch, stride),
                vi=patch_source(pairs, "vi", how.patch, stride),
                relation=PARADIGMS[mode],
                pairs=sizes.pairs[trainable],
                batch=how.batch,
                lr=how.lr,
                precision=sizes.precision,
                **length,
            )
            rows[model].append(Row(mode, trainable, (spec,)))
    return rows


def lengths(methods: dict[str, list[Row]]) -> list[str]:
    """How each method is trained, for captions."""
    firsts = {name: rows[0].specs[0] for name, rows in methods.items()}
    return [
        f"{name} {s.total_steps:,} steps of {s.batch} pairs of {s.ir.patch}x{s.ir.patch}"
        for name, s in firsts.items()
    ]


def printed() -> Table:
    """The printed table; its values stand for MSRS too, and no row twice."""
    table = published.load("bsp", 6)
    values = table.values
    # The row that both comparisons name is printed twice.
    values = values.drop_duplicates(["model", "mode", "trainable", "metric"])
    both = pd.concat([values.assign(test_set=name) for name in SETS], ignore_index=True)
    return dataclasses.replace(table, values=both)


def improvements(parts: dict[str, pd.DataFrame], paper: Table) -> pd.DataFrame:
    """Average improvement of the unpaired row over each strict one, per cent.

    Args:
        parts: method -> what `measure` returned of its rows.
        paper: what `printed` returned.

    Returns columns method, test_set, against (T of the strict row), paper
    (recomputed from the printed cells), ours, low and high.
    """
    strict, unpaired, many = ROWS
    tables = []
    for method, per_image in parts.items():
        for other in (strict, many):
            gains = average_improvement(per_image, paper, method, {unpaired: other})
            tables.append(gains.assign(method=method, against=other[1]))
    return pd.concat(tables)[["method", "test_set", "against", "paper", "ours", "low", "high"]]
