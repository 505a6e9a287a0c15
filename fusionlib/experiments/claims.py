"""The claims ledger: what a paper says in words, judged on rows of numbers.

A claim compares two rows of a table, metric by metric and test set by test
set. Supported or contradicted needs all of: 20 images or more, a 95 % paired
bootstrap interval over images that leaves no doubt, and an effect above twice
its standard error over seeds: the deviation of a training, by the number of
trainings that each row has. That deviation is the largest of the compared
rows, or, where one of them was trained once, of all rows with several seeds.
Rows are compared over the seeds that both have, because a seed stands for the
same first weights. "Equal" instead needs the interval, widened by twice that
error, inside the margin, or all of it beyond. Everything else is undecided.

Few seeds give that deviation, so this part of the rule errs: where nothing
differs and seeds are normally distributed, 7 % of comparisons pass it if both
rows have three seeds, 13 % if both have two, 15 % if one has three and the
other a single one, and 27 % if one has two and the other one (simulated).

A verdict holds for the profile that it was made at: where all rows take the
same number of steps, a claim that more relations score higher is judged at
equal steps, while the paper's larger rows also train longer.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from fusionlib.metrics import PRINTED
from fusionlib.published import Table
from fusionlib.statistics import FEWEST_IMAGES, bootstrap, over_shared_seeds

RowName = tuple[str, int]  # mode, trainable
AVERAGE = "Avg.Imp."  # the mean of the five metrics' relative gains, in per cent
FIVE = PRINTED["bsp"]
ROUNDED = 0.01  # what two cells of two decimals may mislead by


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, in our words.

    Args:
        name: of the claim, unique in the ledger.
        where: section and table of the paper.
        says: the sentence.
        row, against: the two rows (mode, trainable) that it compares.
        kind: "higher", or "equal": within the largest difference that the
            paper itself prints between the two rows, metric by metric, and
            `rounded`.
        metrics: those that the sentence speaks of; `AVERAGE` is the paper's
            average improvement, in per cent.
        than: two rows as well: then the sentence says that the first two
            differ by more than these, and the effect is that difference.
        among: of "equal", rows of which the sentence says that all are alike:
            the largest printed difference is between any two of them.
        rounded: by how much two printed cells may mislead.
    """

    name: str
    where: str
    says: str
    row: RowName
    against: RowName
    kind: str
    metrics: tuple[str, ...]
    than: tuple[RowName, RowName] | None = None
    among: tuple[RowName, ...] = ()
    rounded: float = ROUNDED

    @property
    def rows(self) -> set[RowName]:
        """All that it speaks of."""
        return {self.row, self.against, *(self.than or ())}


COLUMNS = (
    "claim", "where", "test_set", "metric", "kind", "margin", "images", "paper", "effect", "low",
    "high", "seed_error", "verdict",
)  # fmt: skip


def judge(
    per_image: pd.DataFrame, claims: Sequence[Claim], table: Table | None, model: str
) -> pd.DataFrame:
    """A verdict a claim, test set and metric.

    Args:
        per_image: what `measure` returned.
        claims: all about one table.
        table: the published table, for the margins of "equal"; None where
            the paper has none.
        model: which of its models.

    Returns columns claim, where, test_set, metric, kind, margin, images, paper
    (the effect in the printed cells), effect, low, high, seed_error (NaN where
    no row has several seeds), verdict. A claim about a row that is not there is
    left out.
    """
    rows = []
    there = set(zip(per_image["mode"], per_image["trainable"], strict=True))
    for claim in claims:
        if not claim.rows <= there:
            continue
        for test_set, here in per_image.groupby("test_set", sort=False):
            for metric in claim.metrics:
                differences, seeds = _effect(here, claim, metric)
                low, high = bootstrap(differences)
                # Each of the two or four rows is a mean of so many trainings.
                error = _seed_spread(here, metric, claim.rows) * sum(2 / n for n in seeds) ** 0.5
                printed = _printed(table, model, claim, metric)
                margin = _margin(table, model, claim, metric) if claim.kind == "equal" else 0.0
                effect = float(differences.mean())
                verdict = _verdict(claim.kind, effect, low, high, error, margin, len(differences))
                rows.append(
                    {"claim": claim.name, "where": claim.where, "test_set": test_set}
                    | {"metric": metric, "kind": claim.kind, "margin": margin}
                    | {"images": len(differences), "paper": printed.get(test_set)}
                    | {"effect": effect, "low": low, "high": high}
                    | {"seed_error": error, "verdict": verdict}
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _verdict(kind, effect, low, high, error, margin, images) -> str:
    if images < FEWEST_IMAGES:
        return "undecided"
    # Without seeds (NaN) nobody knows their spread, and each comparison with it is False.
    if kind == "higher":
        if not abs(effect) > 2 * error or not (low > 0 or high < 0):
            return "undecided"
        return "supported" if effect > 0 else "contradicted"
    if max(abs(low), abs(high)) + 2 * error <= margin:
        return "supported"
    beyond = low > margin or high < -margin
    return "contradicted" if beyond and abs(effect) - margin > 2 * error else "undecided"


def row_of(per_image: pd.DataFrame, name: RowName) -> pd.DataFrame:
    """What belongs to one row of a table, measured or printed."""
    return per_image[(per_image["mode"] == name[0]) & (per_image["trainable"] == name[1])]


def _effect(per_image: pd.DataFrame, claim: Claim, metric: str) -> tuple[pd.Series, list[int]]:
    """What the claim is about, image by image, and the seeds behind each difference."""
    gains, seeds = gain(row_of(per_image, claim.row), row_of(per_image, claim.against), metric)
    if not claim.than:
        return gains, [seeds]
    others, more = gain(*(row_of(per_image, name) for name in claim.than), metric)
    return gains - others, [seeds, more]


def gain(row: pd.DataFrame, against: pd.DataFrame, metric: str) -> tuple[pd.Series, int]:
    """How much higher one row is, image by image, over the seeds that both have.

    Args:
        row, against: rows of `measure` on one test set; where they share no
            seed, all of each count.
        metric: a column, or `AVERAGE`: the mean of the five gains, each in per
            cent of the other row's mean over images.

    Returns the differences by image, and how many seeds the smaller row has.
    """
    row, against = over_shared_seeds(row, against)
    seeds = min(part["seed"].nunique() for part in (row, against))
    if metric != AVERAGE:
        return _by_image(row, metric) - _by_image(against, metric), seeds
    relative = [
        100 * (_by_image(row, name) - _by_image(against, name)) / _by_image(against, name).mean()
        for name in FIVE
    ]
    return sum(relative) / len(FIVE), seeds


def _by_image(row: pd.DataFrame, metric: str) -> pd.Series:
    return row.groupby("image", sort=False)[metric].mean()


def _seed_spread(per_image: pd.DataFrame, metric: str, compared: set[RowName]) -> float:
    """The largest standard deviation over seeds among the compared rows.

    Where one of these has a single seed: among all rows that have several.
    """
    names, metrics = ["mode", "trainable"], list(FIVE if metric == AVERAGE else (metric,))
    means = per_image.groupby([*names, "seed"])[metrics].mean()
    if metric == AVERAGE:
        means = (100 * means / means.groupby(names).transform("mean")).mean(axis=1)
    else:
        means = means[metric]
    spreads = means.groupby(names).std()
    own = spreads[spreads.index.isin(compared)]
    return (spreads if own.isna().any() else own).max()


def _margin(table: Table | None, model: str, claim: Claim, metric: str) -> float:
    """What counts as equal: the largest difference that the paper prints, and rounding."""
    pairs = combinations(claim.among, 2) if claim.among else [(claim.row, claim.against)]
    printed = [
        _printed(table, model, dataclasses.replace(claim, row=one, against=other), metric)
        for one, other in pairs
    ]
    return pd.concat(printed).abs().max() + claim.rounded


def _printed(table: Table | None, model: str, claim: Claim, metric: str) -> pd.Series:
    """The effect in the paper's own cells, by test set; empty where it has none."""
    if table is None:
        return pd.Series(dtype=float)
    cells = table.values.query("model == @model")
    metrics = list(FIVE) if metric == AVERAGE else [metric]

    def difference(row: RowName, against: RowName) -> pd.Series:
        one, other = (
            row_of(cells, name)
            .pivot(index="test_set", columns="metric", values="value")
            .reindex(columns=metrics)
            for name in (row, against)
        )
        if metric == AVERAGE:
            return 100 * (one / other - 1).mean(axis=1, skipna=False)
        return one[metric] - other[metric]

    first = difference(claim.row, claim.against)
    return first - difference(*claim.than) if claim.than else first
