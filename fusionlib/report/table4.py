"""Table 4: printed and measured rows in one table, and what follows from it."""

from collections.abc import Iterable, Iterator

import pandas as pd

from fusionlib.published import Table
from fusionlib.statistics import FEWEST_IMAGES, bootstrap

# How near the authors' weights must come to the printed row, on a part of its images.
TOLERANCES = {"EN": 0.05, "MI": 0.1, "VIF": 0.05, "Qabf": 0.05, "SSIM": 0.05}
# Which images a row stands for: those at hand, or the fixed list of them.
ALL, LISTED = "all", "listed"
SAID = {
    ("printed", ""): "printed",
    ("released", ALL): "authors' weights",
    ("released", LISTED): "authors' weights, listed images",
    ("trained", LISTED): "trained here",
    ("folder", ALL): "your folder",
}
COLUMNS = {
    "test_set": str, "row": str, "method": str, "weights": str, "on": str, "images": "Int64",
    "metric": str, "paper": float, "ours": float, "difference": float, "seeds": "Int64",
    "spread": float, "low": float, "high": float,
}  # fmt: skip

# As `experiments.judge` has them.
JUDGED = (
    "claim", "where", "test_set", "metric", "kind", "margin", "images", "paper", "effect", "low",
    "high", "seed_error", "verdict",
)  # fmt: skip
VERDICTS = {"above": "supported", "below": "contradicted", "undecided": "undecided"}


def compare_methods(per_image: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The printed and the measured rows of every method.

    Args:
        per_image: one row an image, with the columns test_set, method,
            weights ("released", "trained" or "folder"), listed, seed, image
            and a column a metric: what `experiments.table4_scores` makes.
        table: the published table.

    Returns one row a test set, row of the table and metric, with

        row, method         how the row is called, and whose it is
        weights             "printed" for the paper's rows, else as above
        on, images          "all" images at hand or those "listed", and how
                            many; empty for printed rows
        paper, ours         ours is the mean over images and seeds
        difference
        seeds, spread       standard deviation of the seeds' means (NaN with
                            one seed)
        low, high           95 % bootstrap interval of ours over images, seeds
                            averaged

    Methods come in the paper's order, unknown ones last. Released weights
    that were scored on more than the list have a row for each.
    """
    metrics = [name for name in table.metrics if name in per_image]
    names, baselines = _names(table), own_methods(table)
    printed = table.values.set_index(["test_set", "model", "metric"])["value"].to_dict()
    rows = []
    for test_set, here in per_image.groupby("test_set", sort=False):
        for method in dict.fromkeys([*names, *here["method"]]):
            paper = {m: printed.get((test_set, method, m)) for m in metrics}
            for (weights, on), numbers in _rows(here[here["method"] == method], paper):
                name, known = names.get(method, method), method in names
                only_printed = known and method not in baselines and weights == "printed"
                title = name if only_printed else f"{name}, {SAID[weights, on]}"
                place = {"test_set": test_set, "row": title, "method": method}
                rows += [place | {"weights": weights, "on": on} | n for n in numbers]
    result = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return result.assign(difference=result["ours"] - result["paper"])


def _rows(found: pd.DataFrame, paper: dict) -> Iterator[tuple[tuple[str, str], list[dict]]]:
    """(weights, on) and the numbers, one dict a metric, of each row of a method."""
    if None not in paper.values():
        yield ("printed", ""), [{"metric": m, "paper": value} for m, value in paper.items()]
    for weights, images in found.groupby("weights", sort=False):
        if weights == "folder":  # its owner's, whatever its name
            yield (weights, ALL), _means(images, dict.fromkeys(paper))
            continue
        if weights == "released":
            yield (weights, ALL), _means(images, paper)
        if weights == "trained" or not images["listed"].all():
            yield (weights, LISTED), _means(images[images["listed"]], paper)


def _means(images: pd.DataFrame, paper: dict) -> list[dict]:
    seeds = images.groupby("seed")[list(paper)].mean()
    by_image = images.groupby("image", sort=False)[list(paper)].mean()
    numbers = []
    for metric, value in paper.items():
        low, high = bootstrap(by_image[metric])
        ours = {"ours": by_image[metric].mean(), "spread": seeds[metric].std()}
        ours |= {"low": low, "high": high, "seeds": len(seeds), "images": len(by_image)}
        numbers.append({"metric": metric, "paper": value, **ours})
    return numbers


def own_methods(table: Table) -> list[str]:
    """The baselines of the paper itself, among the methods that its table names."""
    return list(table.cells.query("venue == 'Ours'")["model"].unique())


def _names(table: Table) -> dict[str, str]:
    """Method -> how the paper writes it, with the venue of others."""
    rows = table.cells.drop_duplicates("model").itertuples()
    return {
        row.model: row.model_printed + ("" if row.venue == "Ours" else f" {row.venue}")
        for row in rows
    }


def tolerance_check(comparison: pd.DataFrame, test_set: str = "MSRS") -> pd.DataFrame:
    """Whether the authors' weights give the printed row of a test set.

    Returns columns row, images, metric, paper, ours, difference, tolerance,
    within; no rows where no such weights were scored.
    """
    chosen = comparison.query(
        "test_set == @test_set and weights == 'released' and on == @ALL"
    ).reset_index(drop=True)
    chosen = chosen[["row", "images", "metric", "paper", "ours", "difference"]]
    tolerance = chosen["metric"].map(TOLERANCES).astype(float)
    return chosen.assign(tolerance=tolerance, within=chosen["difference"].abs() <= tolerance)


def above_others(comparison: pd.DataFrame, table: Table) -> pd.DataFrame:
    """In how many columns each row of a baseline beats the best of the other methods.

    A column is a metric on a test set. A measured row is above or below where
    its interval over images excludes the best printed value, the distance
    exceeds twice the spread over seeds, and there are 20 images or more; else
    it is undecided. A printed row has no interval and is undecided only where
    both numbers are equal.

    Returns columns row, above, undecided, below; no rows where the paper
    prints nothing of the test sets.
    """
    best = best_of_others(comparison, table)
    counts = {}
    baselines = comparison[comparison["method"].isin(own_methods(table))]
    for row in baselines[baselines["weights"] != "folder"].itertuples():
        if (row.test_set, row.metric) in best:
            verdict = _verdict(row, best[row.test_set, row.metric], table.direction[row.metric])
            counts.setdefault(row.row, dict.fromkeys(("above", "undecided", "below"), 0))
            counts[row.row][verdict] += 1
    rows = [{"row": row, **count} for row, count in counts.items()]
    return pd.DataFrame(rows, columns=["row", "above", "undecided", "below"])


def judge_methods(comparison: pd.DataFrame, table: Table, claims: Iterable) -> pd.DataFrame:
    """Whether the authors' weights beat the best printed value of the others.

    Args:
        comparison: what `compare_methods` returned.
        table: the published table.
        claims: `experiments.TABLE4_CLAIMS`, each about one baseline.

    Returns the columns of `experiments.judge`; the effect is positive where
    the baseline is the better, whichever direction is. The paper's own cells
    are compared alike. These weights are one training: no error over seeds.
    """
    best, rows = best_of_others(comparison, table), []
    printed = comparison[comparison["weights"] == "printed"]
    printed = printed.set_index(["method", "test_set", "metric"])["paper"]
    released = comparison[(comparison["weights"] == "released") & (comparison["on"] == ALL)]
    for claim in claims:
        for row in released[released["method"] == claim.row[0]].itertuples():
            place = row.test_set, row.metric
            if row.metric not in claim.metrics or place not in best:
                continue
            sign = 1 if table.direction[row.metric] == "higher" else -1
            low, high = sorted(sign * (end - best[place]) for end in (row.low, row.high))
            verdict = VERDICTS[_verdict(row, best[place], table.direction[row.metric])]
            rows.append(
                {"claim": claim.name, "where": claim.where, "test_set": row.test_set}
                | {"metric": row.metric, "kind": claim.kind, "margin": 0.0, "images": row.images}
                | {"paper": sign * (printed[claim.row[0], *place] - best[place])}
                | {"effect": sign * (row.ours - best[place]), "low": low, "high": high}
                | {"seed_error": float("nan"), "verdict": verdict}
            )
    return pd.DataFrame(rows, columns=list(JUDGED))


def method_numbers(comparison: pd.DataFrame) -> dict[str, float]:
    """Our means by "test set, row, metric", rounded to four decimals."""
    measured = comparison[comparison["ours"].notna()]
    return {
        f"{row.test_set}, {row.row}, {row.metric}": round(row.ours, 4)
        for row in measured.itertuples()
    }


def best_of_others(comparison: pd.DataFrame, table: Table) -> dict[tuple[str, str], float]:
    """(test set, metric) -> the best value printed for a method of others."""
    others = comparison[
        (comparison["weights"] == "printed") & ~comparison["method"].isin(own_methods(table))
    ]
    groups = others.groupby(["test_set", "metric"])["paper"]
    return {
        key: values.max() if table.direction[key[1]] == "higher" else values.min()
        for key, values in groups
    }


def _verdict(row, best: float, direction: str) -> str:
    printed = row.weights == "printed"
    gap = ((row.paper if printed else row.ours) - best) * (1 if direction == "higher" else -1)
    if not printed:
        spread = 0 if pd.isna(row.spread) else row.spread
        if row.images < FEWEST_IMAGES or abs(gap) <= 2 * spread or row.low <= best <= row.high:
            return "undecided"
    return "above" if gap > 0 else "below" if gap < 0 else "undecided"
