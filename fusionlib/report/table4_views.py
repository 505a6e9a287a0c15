"""Table 4 as people read it: all rows side by side, or in short for a page."""

from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

from fusionlib.models.cost import Cost
from fusionlib.published import Table
from fusionlib.report.compare import cell, with_spread
from fusionlib.report.table4 import ALL, LISTED, best_of_others, own_methods

STYLES = {"best": "font-weight: bold", "second": "text-decoration: underline"}


def methods_table(
    comparison: pd.DataFrame, table: Table, costs: Mapping[str, Cost], digits: int = 2
) -> pd.DataFrame:
    """A row a method, columns in groups: the model, then a group a test set.

    Cells are text: "2.69" as printed, "2.69 | 2.71 ± 0.012" for paper and
    ours, the spread where there are several seeds. A test set's group begins
    with how many images a measured row stands for.

    Args:
        comparison: what `compare_methods` returned.
        table: the published table, for its sizes.
        costs: model -> what `fusionlib.models.cost.cost` counted.
        digits: of the metrics.
    """
    order = list(dict.fromkeys(comparison["row"]))
    groups = {}
    for test_set, here in comparison.groupby("test_set", sort=False):
        counts = here.drop_duplicates("row").set_index("row")["images"]
        groups[test_set, "images"] = counts.astype(str).replace("<NA>", "")
        for metric, rows in here.groupby("metric", sort=False):
            texts = [_text(row, digits) for row in rows.itertuples()]
            groups[test_set, metric] = pd.Series(texts, rows["row"])
    methods = comparison.drop_duplicates("row").set_index("row")["method"]
    # A user's folder has no size here, whatever its name.
    methods = methods.where(comparison.groupby("row")["weights"].first() != "folder", "")
    sizes = _sizes(methods, table, costs)
    model = pd.DataFrame({("model", name): column for name, column in sizes.items()})
    shown = pd.concat([model, pd.DataFrame(groups)], axis=1).reindex(order).fillna("")
    return shown.rename_axis(index=None, columns=["", ""])


def _text(row, digits: int) -> str:
    if row.weights == "printed" or pd.isna(row.paper):
        return _number(row, digits)
    return cell(row.paper, row.ours, row.spread, digits)


def _sizes(methods: pd.Series, table: Table, costs: Mapping[str, Cost]) -> dict[str, pd.Series]:
    counted = {name: method_sizes(table, costs)[name] for name in ("MB", "parameters", "GMAC")}
    printed = table.cells.drop_duplicates("model").set_index("model")["size_mb"]
    columns = {"MB printed": printed, **counted}
    return {name: methods.map(column) for name, column in columns.items()}


def method_sizes(table: Table, costs: Mapping[str, Cost]) -> pd.DataFrame:
    """What was counted of each model beside the size that the paper prints.

    Returns a table indexed by model: MB printed, MB, parameters and GMAC (10^9
    multiply-accumulates), all text.
    """
    printed = table.cells.drop_duplicates("model").set_index("model")["size_mb"]
    rows = {
        model: {
            "MB printed": printed[model],
            "MB": f"{cost.megabytes:.3f}",
            "parameters": f"{cost.parameters:,}",
            "GMAC": f"{cost.macs / 1e9:.2f}",
        }
        for model, cost in costs.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def marks(comparison: pd.DataFrame, table: Table, digits: int = 2) -> pd.DataFrame:
    """Which rows are "best" and "second" in each column of `methods_table`, else "".

    A measured row counts with our number, a printed one with the paper's, all
    as rounded for print, so that equal numbers are marked alike. Released
    weights count once, on all images at hand.
    """
    values = comparison["ours"].fillna(comparison["paper"]).round(digits)
    again = (comparison["weights"] == "released") & (comparison["on"] == LISTED)
    frame = comparison.assign(value=values)[~again]
    columns = {}
    for (test_set, metric), rows in frame.groupby(["test_set", "metric"], sort=False):
        column = rows.set_index("row")["value"]
        ranks = column.rank(method="dense", ascending=table.direction[metric] == "lower")
        columns[test_set, metric] = ranks.map({1.0: "best", 2.0: "second"})
    order = list(dict.fromkeys(comparison["row"]))
    return pd.DataFrame(columns).reindex(order).fillna("")


def styled_methods(
    comparison: pd.DataFrame,
    table: Table,
    costs: Mapping[str, Cost],
    caption: str,
    digits: int = 2,
) -> Styler:
    """`methods_table` for a notebook: the best bold, the second underlined.

    The names of the rows stay in sight when the table is moved.
    """
    shown = methods_table(comparison, table, costs, digits)
    css = marks(comparison, table, digits).map(STYLES.get)
    css = css.reindex(index=shown.index, columns=shown.columns)
    style = shown.style.apply(lambda _: css, axis=None).set_caption(caption)
    return style.set_sticky("index")


def in_short(comparison: pd.DataFrame, table: Table, digits: int = 2) -> pd.DataFrame:
    """The three baselines against the best of the others, test set by test set.

    Cells are text, "2.69 | 2.71 | 2.45 ± 0.012": paper, the authors' weights
    on all images at hand, trained here on the list; a dash where there is none.
    """
    best = best_of_others(comparison, table)
    names = table.cells.drop_duplicates("model").set_index("model")["model_printed"]
    own = comparison[comparison["method"].isin(own_methods(table))]
    rows = {}
    for test_set, metric in best:
        rows.setdefault((test_set, "best of the others"), {})[metric] = (
            f"{best[test_set, metric]:.{digits}f}"
        )
    for (test_set, method, metric), here in own.groupby(
        ["test_set", "method", "metric"], sort=False
    ):
        kinds = {(row.weights, row.on): row for row in here.itertuples()}
        parts = [
            _number(kinds.get(("printed", "")), digits),
            _number(kinds.get(("released", ALL)), digits),
            _number(kinds.get(("trained", LISTED)), digits),
        ]
        rows.setdefault((test_set, names[method]), {})[metric] = " | ".join(parts)
    sets = dict.fromkeys(comparison["test_set"])
    order = [(s, r) for s in sets for r in ("best of the others", *names) if (s, r) in rows]
    shown = pd.DataFrame.from_dict(rows, orient="index")
    shown.index = pd.MultiIndex.from_tuples(shown.index, names=["test_set", "row"])
    return shown.loc[order, list(dict.fromkeys(comparison["metric"]))]


def _number(row, digits: int) -> str:
    if row is None:
        return "—"
    if row.weights == "printed":
        return f"{row.paper:.{digits}f}"
    return with_spread(row.ours, row.spread, digits)
