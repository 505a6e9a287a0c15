"""The paper's numbers beside ours: differences, spreads, intervals."""

from collections.abc import Iterable

import pandas as pd

from fusionlib.published import Table, row_label
from fusionlib.report.style import MODEL_TITLES
from fusionlib.statistics import bootstrap, over_shared_seeds

INDEX = ["test_set", "mode", "trainable"]


def compare(
    per_image: pd.DataFrame, table: Table | None, model: str, baseline: tuple[str, int]
) -> pd.DataFrame:
    """Lay a published table beside the rows that were measured.

    Args:
        per_image: one row an image, run and test set, with the columns
            test_set, mode, trainable, seed, image and one column a metric.
        table: the published table, indexed by the same words; None where
            the paper has none.
        model: which of its models.
        baseline: (mode, trainable) of the row that gains refer to.

    Returns one row a test set, mode, trainable and metric, with

        paper, ours, difference     ours is the mean over images and seeds
        seeds, spread               standard deviation of the seeds' means
                                    (NaN with one seed)
        images                      how many
        paper_gain, gain            against the baseline row, ours over the
                                    seeds that both rows have
        gain_low, gain_high         95 % paired bootstrap interval of the gain
                                    over images, seeds averaged
    """
    printed, names = {}, per_image.columns[per_image.columns.get_loc("image") + 1 :]
    if table is not None:
        printed = table.values.query("model == @model").set_index([*INDEX, "metric"])["value"]
        names = table.metrics
    metrics = [name for name in names if name in per_image]
    rows = []
    for test_set, here in per_image.groupby("test_set", sort=False):
        reference = here[(here["mode"] == baseline[0]) & (here["trainable"] == baseline[1])]
        for (mode, trainable), row in here.groupby(["mode", "trainable"], sort=False):
            seeds = row.groupby("seed")[metrics].mean()
            ours = _by_image(row, metrics)
            one, other = (_by_image(part, metrics) for part in over_shared_seeds(row, reference))
            for metric in metrics:
                gains = one[metric] - other[metric]
                low, high = bootstrap(gains)
                place = (test_set, mode, trainable)
                paper = printed.get((*place, metric))
                start = printed.get((test_set, *baseline, metric))
                known = paper is not None and start is not None
                rows.append(
                    dict(zip(INDEX, place, strict=True))
                    | {"metric": metric, "paper": paper, "ours": ours[metric].mean()}
                    | {"seeds": len(seeds), "spread": seeds[metric].std(), "images": len(ours)}
                    | {"paper_gain": paper - start if known else None, "gain": gains.mean()}
                    | {"gain_low": low, "gain_high": high}
                )
    result = pd.DataFrame(rows)
    result.insert(6, "difference", result["ours"] - result["paper"].astype(float))
    return result.astype({"paper": float, "paper_gain": float})


def _by_image(row: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    return row.groupby("image", sort=False)[metrics].mean()


def compare_tables(
    tables: Iterable[pd.DataFrame],
    modes: Iterable[str],
    paper: Table | None,
    model: str,
    baseline: tuple[str, int],
) -> pd.DataFrame:
    """`compare` of some rows that were measured in several tables, each of other images.

    Args:
        tables: such as fusion metrics, and IoU of other images.
        modes: the rows' modes, one of them the baseline's.
        paper, model, baseline: as `compare` takes them.
    """
    modes = list(modes)
    chosen = [table[table["mode"].isin(modes)] for table in tables]
    return pd.concat(
        [compare(part, paper, model, baseline) for part in chosen if len(part)], ignore_index=True
    )


def printed(
    comparison: pd.DataFrame, column: str = "paper"
) -> dict[str, dict[str, dict[str, float]]]:
    """The paper's numbers of a comparison: {test set: {row: {metric: value}}}.

    Args:
        comparison: what `compare` returned, or a `published.Table`'s values.
        column: where the numbers are; "value" of a table's values.
    """
    found: dict = {}
    known = comparison.dropna(subset=column)
    for (test_set, mode, trainable), part in known.groupby(INDEX, sort=False):
        row = dict(zip(part["metric"], part[column], strict=True))
        found.setdefault(test_set, {})[row_label(mode, trainable)] = row
    return found


def wide(comparison: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """The comparison as people read it: a row a mode, "paper | ours" a metric.

    Cells are strings, "6.54 | 6.62 ± 0.012"; the spread over seeds stands
    where there are several.
    """
    cells = comparison.copy()
    cells["cell"] = [cell(row.paper, row.ours, row.spread, digits) for row in cells.itertuples()]
    return _table(cells)


def gains_by_model(gains: pd.DataFrame) -> pd.DataFrame:
    """Average improvements side by side: "paper | ours", per cent, a column a model.

    gains: columns model, test_set, mode, trainable, paper and ours.
    """
    names = gains["model"].map(lambda model: MODEL_TITLES.get(model, model))
    cells = gains.assign(metric=names)
    cells["cell"] = [
        f"{'—' if pd.isna(row.paper) else f'{row.paper:+.1f}'} | {row.ours:+.1f}"
        for row in cells.itertuples()
    ]
    return _table(cells)


def _table(cells: pd.DataFrame) -> pd.DataFrame:
    cells["row"] = [row_label(row.mode, row.trainable) for row in cells.itertuples()]
    order = {name: list(dict.fromkeys(cells[name])) for name in ("test_set", "row", "metric")}
    table = cells.pivot(index=["test_set", "row"], columns="metric", values="cell")
    rows = [key for key in pd.MultiIndex.from_product([order["test_set"], order["row"]])
            if key in table.index]  # fmt: skip
    return table.loc[rows, order["metric"]].rename_axis(columns=None).fillna("")


def gained(comparison: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """The comparison without the paper: our mean, and its gain with the interval.

    Cells are strings, "6.55, +0.03 [+0.01, +0.05]".
    """
    cells = comparison.copy()
    cells["cell"] = [
        f"{row.ours:.{digits}f}, {row.gain:+.{digits}f}"
        f" [{row.gain_low:+.{digits}f}, {row.gain_high:+.{digits}f}]"
        for row in cells.itertuples()
    ]
    return _table(cells)


def cell(paper: float, ours: float, spread: float, digits: int) -> str:
    """Both numbers: "6.54 | 6.62 ± 0.012"; a dash for one the paper lacks."""
    printed = "—" if pd.isna(paper) else f"{paper:.{digits}f}"
    return f"{printed} | {with_spread(ours, spread, digits)}"


def beside(paper: pd.Series, ours: pd.Series, digits: int = 2) -> pd.Series:
    """ "paper | ours" of each row; a dash for a cell that the paper lacks."""
    return pd.Series(
        [cell(a, b, float("nan"), digits) for a, b in zip(paper, ours, strict=True)], paper.index
    )


def with_spread(value: float, spread: float, digits: int) -> str:
    """A mean and, where there is one, its spread: "6.62 ± 0.012"."""
    around = "" if pd.isna(spread) else f" ± {spread:.{digits + 1}f}"
    return f"{value:.{digits}f}{around}"


def markdown(table: pd.DataFrame) -> str:
    """A table with named index levels as a Markdown pipe table."""
    flat = table.reset_index().astype(str)
    # A pipe inside a cell would end the cell.
    lines = [[cell.replace("|", "\\|") for cell in row] for row in [flat.columns, *flat.values]]
    lines.insert(1, ["---"] * len(flat.columns))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
