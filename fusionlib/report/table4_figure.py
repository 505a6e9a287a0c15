"""Table 4 as points."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusionlib.published import Table
from fusionlib.report.style import MODEL_COLOURS, set_caption, set_style
from fusionlib.report.table4 import ALL, LISTED, own_methods

LETTERS_AN_INCH = 12  # of the caption
LEGEND = (
    "strokes: others, printed (dotted: the best)   hollow: printed   "
    "diamond: authors' weights   filled: trained here"
)


def method_points(comparison: pd.DataFrame, table: Table, caption: str = "") -> Figure:
    """All rows as points, a panel a test set and metric.

    On top the other methods as strokes, then a line a baseline: printed
    (hollow), the authors' weights on all images at hand (diamond), trained
    here (filled, the bar is twice the spread over seeds to either side); then
    a user's folders (star). Strokes far below the rest become an arrow at the
    panel's edge.

    Args:
        comparison: what `compare_methods` returned.
        table: the published table.
        caption: stands below.
    """
    set_style()
    own = own_methods(table)
    test_sets, metrics = (list(comparison[name].unique()) for name in ("test_set", "metric"))
    of_others = (comparison["weights"] == "printed") & ~comparison["method"].isin(own)
    folders = comparison.loc[comparison["weights"] == "folder", "method"].unique()
    names = table.cells.drop_duplicates("model").set_index("model")["model_printed"]
    lines = [*(["others"] if of_others.any() else []), *own, *folders]
    size = (2.1 * len(metrics) + 1.4, (0.32 * len(lines) + 0.55) * len(test_sets) + 0.8)
    shape = (len(test_sets), len(metrics))
    figure, axes = plt.subplots(
        *shape, figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    for across, test_set in zip(axes, test_sets, strict=True):
        for axis, metric in zip(across, metrics, strict=True):
            here = (comparison["test_set"] == test_set) & (comparison["metric"] == metric)
            _others(axis, comparison.loc[here & of_others, "paper"], table.direction[metric])
            _rows(axis, comparison[here & ~of_others], lines)
            axis.set_yticks(range(len(lines)), [names.get(line, line) for line in lines])
            axis.set_ylim(len(lines) - 0.4, -0.6)
            axis.locator_params(axis="x", nbins=4)
            axis.grid(axis="x", alpha=0.4)
        across[0].set_ylabel(test_set, fontweight="bold")
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.set_title(metric)
    sns.despine(figure)
    below = "\n".join(textwrap.wrap(caption, int(LETTERS_AN_INCH * size[0])))
    set_caption(figure, f"{LEGEND}\n{below}")
    return figure


def _others(axis: Axes, values: pd.Series, direction: str) -> None:
    if not len(values):
        return
    first, third = values.quantile([0.25, 0.75])
    # Tukey's fence: beyond it a single printed number would press all others together.
    near = values[values >= first - 1.5 * (third - first)]
    axis.plot(near, [0] * len(near), "|", color="0.4", ms=9, mew=1.3)
    axis.axvline(values.max() if direction == "higher" else values.min(), color="0.6", ls=":")
    if len(near) < len(values):
        axis.plot(0.02, 0, "<", color="0.4", ms=5, transform=axis.get_yaxis_transform())


def _rows(axis: Axes, rows: pd.DataFrame, lines: list[str]) -> None:
    for row in rows.itertuples():
        place, colour = lines.index(row.method), MODEL_COLOURS.get(row.method, "black")
        if row.weights == "printed":
            axis.plot(row.paper, place, "o", mfc="white", mec=colour, ms=7)
        elif row.weights == "folder":
            axis.plot(row.ours, place, "*", color="black", ms=9)
        elif (row.weights, row.on) == ("released", ALL):
            axis.plot(row.ours, place, "D", color=colour, ms=4)
        elif (row.weights, row.on) == ("trained", LISTED):
            axis.errorbar(row.ours, place, xerr=2 * row.spread, fmt="o", color=colour, ms=5)
