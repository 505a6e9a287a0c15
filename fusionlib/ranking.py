"""Rank methods by each metric, with intervals that say how sure a rank is."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fusionlib.errors import FusionError
from fusionlib.metrics import DIRECTION, metric_of
from fusionlib.statistics import FEWEST_IMAGES, bootstrap

GAP = (" gap", " gap low", " gap high")


def rank(means: pd.DataFrame, direction: Mapping[str, str] = DIRECTION) -> pd.DataFrame:
    """Add the mean rank (MR) and the rank of the mean rank (RoR).

    Args:
        means: a row a method, a column a metric. Candidates of one metric,
            such as "AG (pixels)" and "AG (inner)", weigh together as one.
        direction: metric -> whether "higher" or "lower" is better.

    Returns the same table with two more columns. Rank 1 is the best and ties
    take the lowest rank; MR is the mean of a method's ranks over the metrics,
    RoR the rank of its MR. Both are missing where a mean is NaN.

    Raises FusionError for a column that `direction` does not know.

    Source: RegionFuse, supplement, Table 2.
    """
    ranks = means.apply(_ranks, direction=direction)
    by_metric = ranks.T.groupby([metric_of(label) for label in means]).mean().T
    # Rounded, so that equal sums in another order stay equal.
    mean_rank = by_metric.mean(axis=1, skipna=False).round(9)
    return means.assign(MR=mean_rank, RoR=mean_rank.rank(method="min").astype("Int64"))


def ranking(rows: pd.DataFrame, direction: Mapping[str, str] = DIRECTION) -> pd.DataFrame:
    """Rank the methods of `evaluation.evaluate_folders`' table, the best first.

    The table that the command `evaluate --csv` writes for several folders will
    do as well: its column "name" stands for "image".

    Returns a row a method: "method", how many "images" it has, the mean of each
    metric, MR and RoR (see `rank`), and for each metric the mean difference to
    its best method ("EN gap") with a 95 % interval ("EN gap low", "EN gap
    high"), by the paired bootstrap over the images. These are missing where a
    difference is not finite.

    Raises FusionError unless all methods were scored on the same images.
    """
    rows = rows.rename(columns={"name": "image"})
    for column in ("method", "image"):
        if column not in rows:
            raise FusionError(
                f"The rows have no column {column!r}: rank the table of several folders."
            )
    values = {m: part.set_index("image") for m, part in rows.groupby("method", sort=False)}
    first, *others = values
    for method in others:
        if not values[method].index.equals(values[first].index):
            raise FusionError(
                f"{first} and {method} were scored on different images: score both on the same."
            )
    means = rows.drop(columns="image").groupby("method", sort=False).mean()
    gaps = {}
    for label in means:
        best = _ranks(means[label], direction).idxmin()
        for method in means.index:
            gap = values[method][label] - values[best][label]
            mean = gap.mean() if np.isfinite(gap).all() else float("nan")
            gaps.setdefault(method, []).extend((mean, *bootstrap(gap)))
    names = [label + part for label in means for part in GAP]
    gaps = pd.DataFrame.from_dict(gaps, orient="index", columns=names)
    table = rank(means, direction).join(gaps).sort_values("RoR", kind="stable").reset_index()
    table.insert(1, "images", len(values[first]))
    return table


def format_ranking(
    table: pd.DataFrame, width: int | None = None, direction: Mapping[str, str] = DIRECTION
) -> str:
    """The table of `ranking` as text: the means with marks, then the gaps.

    A method counts as told apart from the best one where the interval of its
    gap is finite and excludes 0, from `FEWEST_IMAGES` images on.

    width: of a line in characters, None for any.
    """
    labels = [label.removesuffix(GAP[0]) for label in table if label.endswith(GAP[0])]
    few = table["images"].min() < FEWEST_IMAGES
    means, gaps = {}, []
    for label in labels:
        ranks = _ranks(table[label], direction)
        best = table["method"][ranks.idxmin()]
        texts = []
        for row, method in enumerate(table["method"]):
            mean, gap, low, high = (table[label + part][row] for part in ("", *GAP))
            apart = not few and np.isfinite((low, high)).all() and not low <= 0 <= high
            mark = "*" if ranks[row] == 1 else " " if apart else "~"
            texts.append(f"{mean:.4f}{mark}")
            if mark != "*":
                gaps.append((label, method, f"{gap:+.4f}", f"[{low:+.4f}, {high:+.4f}]", best))
        means[label] = texts
    means |= {"MR": table["MR"].map("{:.2f}".format), "RoR": table["RoR"]}
    text = format_rows(pd.DataFrame({"method": table["method"], **means}), width)
    text += "\n* the best of a metric; ~ "
    if few:
        text += f"too few images to tell methods apart (below {FEWEST_IMAGES})"
    else:
        text += "not told apart from it, the interval of the gap holds 0 or is not finite"
    if gaps:
        columns = ["metric", "method", "gap", "95 % interval", "to the best"]
        text += f"\n\n{pd.DataFrame(gaps, columns=columns).to_string(index=False)}"
    return text


def format_rows(table: pd.DataFrame, width: int | None = None) -> str:
    """A table as text; what `width` splits repeats the first column."""
    first = table.columns[0]
    rows = table.set_index(first).rename_axis(index=None, columns=first)
    return rows.to_string(line_width=width, float_format="{:.4f}".format)


def _ranks(means: pd.Series, direction: Mapping[str, str]) -> pd.Series:
    metric = metric_of(means.name)
    if metric not in direction:
        raise FusionError(f"There is no direction for {metric}: say whether higher or lower wins.")
    return means.rank(method="min", ascending=direction[metric] == "lower")
