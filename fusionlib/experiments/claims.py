"""The claims ledger: what a paper says in words, judged on rows of numbers.

A claim compares two rows of a table, metric by metric and test set by test
set. Supported or contradicted needs all of: 20 images or more, a 95 % paired
bootstrap interval over images that leaves no doubt, and an effect above twice
the standard deviation over seeds. "Equal" instead needs an interval inside the
margin, and twice that deviation as well. Everything else is undecided.

A verdict holds for the profile that it was made at: where all rows take the
same number of steps, a claim that more relations score higher is judged at
equal steps, while the paper's larger rows also train longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fusionlib.published import Table
from fusionlib.statistics import FEWEST_IMAGES, bootstrap

RowName = tuple[str, int]  # mode, trainable


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, in our words.

    Args:
        name: of the claim, unique in the ledger.
        where: section and table of the paper.
        says: the sentence.
        row, against: the two rows (mode, trainable) that it compares.
        kind: "higher", or "equal": within the largest difference that the
            paper itself prints between the two rows, metric by metric.
        metrics: those that the sentence speaks of.
        than: two rows as well: then the sentence says that the first two
            differ by more than these, and the effect is that difference.
    """

    name: str
    where: str
    says: str
    row: RowName
    against: RowName
    kind: str
    metrics: tuple[str, ...]
    than: tuple[RowName, RowName] | None = None

    @property
    def rows(self) -> set[RowName]:
        """All that it speaks of."""
        return {self.row, self.against, *(self.than or ())}


COLUMNS = (
    "claim", "where", "test_set", "metric", "kind", "margin", "images", "effect", "low", "high",
    "seed_spread", "verdict",
)  # fmt: skip


def judge(
    per_image: pd.DataFrame, claims: Sequence[Claim], table: Table, model: str
) -> pd.DataFrame:
    """A verdict a claim, test set and metric.

    Args:
        per_image: what `measure` returned.
        claims: all about one table.
        table: the published table, for the margins of "equal".
        model: which of its models.

    Returns columns claim, where, test_set, metric, kind, margin, images,
    effect, low, high, seed_spread (NaN where no row has several seeds),
    verdict. A claim about a row that is not there is left out.
    """
    rows = []
    there = set(zip(per_image["mode"], per_image["trainable"], strict=True))
    for claim in claims:
        if not claim.rows <= there:
            continue
        for test_set, here in per_image.groupby("test_set", sort=False):
            for metric in claim.metrics:
                differences = _gain(here, claim.row, claim.against, metric)
                if claim.than:
                    differences = differences - _gain(here, *claim.than, metric)
                low, high = bootstrap(differences)
                spread = _seed_spread(here, metric)
                margin = _margin(table, model, claim, metric) if claim.kind == "equal" else 0.0
                effect = float(differences.mean())
                verdict = _verdict(claim.kind, effect, low, high, spread, margin, len(differences))
                rows.append(
                    {"claim": claim.name, "where": claim.where, "test_set": test_set}
                    | {"metric": metric, "kind": claim.kind, "margin": margin}
                    | {"images": len(differences), "effect": effect, "low": low, "high": high}
                    | {"seed_spread": spread, "verdict": verdict}
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _verdict(kind, effect, low, high, spread, margin, images) -> str:
    if images < FEWEST_IMAGES:
        return "undecided"
    # Without seeds (NaN) nobody knows their spread, and each of these is False.
    above_seeds, seeds_inside = abs(effect) > 2 * spread, 2 * spread <= margin
    if kind == "higher":
        if not above_seeds or not (low > 0 or high < 0):
            return "undecided"
        return "supported" if effect > 0 else "contradicted"
    # Equal: the whole interval lies within the margin, or wholly beyond it.
    if -margin <= low and high <= margin:
        return "supported" if seeds_inside else "undecided"
    beyond = low > margin or high < -margin
    return "contradicted" if beyond and above_seeds else "undecided"


def _row(per_image: pd.DataFrame, name: RowName) -> pd.DataFrame:
    return per_image[(per_image["mode"] == name[0]) & (per_image["trainable"] == name[1])]


def _gain(per_image: pd.DataFrame, row: RowName, against: RowName, metric: str) -> pd.Series:
    ours, theirs = (_by_image(_row(per_image, name), metric) for name in (row, against))
    return ours - theirs


def _by_image(row: pd.DataFrame, metric: str) -> pd.Series:
    return row.groupby("image", sort=False)[metric].mean()


def _seed_spread(per_image: pd.DataFrame, metric: str) -> float:
    # The largest standard deviation over seeds among the rows that have several.
    means = per_image.groupby(["mode", "trainable", "seed"])[metric].mean()
    return means.groupby(["mode", "trainable"]).std().max()


def _margin(table: Table, model: str, claim: Claim, metric: str) -> float:
    printed = table.values.query("model == @model and metric == @metric")
    first, second = (
        _row(printed, name).set_index("test_set")["value"] for name in (claim.row, claim.against)
    )
    return float((first - second).abs().max())
