"""The claims ledger as a figure: how each claim's comparisons went."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fusionlib.report.style import set_caption, set_style

MOST = 50  # bars above each other
COLOURS = {"supported": "#0072b2", "undecided": "0.8", "contradicted": "#d55e00"}


def ledger_bars(ledger: pd.DataFrame, caption: str = "") -> Figure:
    """A bar a measured claim: its comparisons by verdict; its own verdict beside it.

    `ledger` is what `experiments.ledger` returned. The caption also says how
    many claims are not measured.
    """
    set_style()
    measured = ledger[ledger["verdict"] != "not measured"]
    columns = max(1, -(-len(measured) // MOST))
    rows = max(1, -(-len(measured) // columns))
    figure, axes = plt.subplots(
        1, columns, figsize=(7.5 * columns, 0.24 * rows + 1.1), squeeze=False, layout="constrained"
    )
    widest = measured[list(COLOURS)].sum(axis=1).max() if len(measured) else 1
    for number, axis in enumerate(axes.flat):
        _bars(axis, measured.iloc[number * rows : (number + 1) * rows], rows)
        axis.set_xlim(0, 1.25 * widest)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, ncols=3,
                  loc="outside upper center")  # fmt: skip
    sns.despine(figure)
    left = len(ledger) - len(measured)
    set_caption(figure, f"{caption}; {left} claims are not measured" if left else caption)
    return figure


def _bars(axis, claims: pd.DataFrame, rows: int) -> None:
    places, left = range(len(claims)), pd.Series(0.0, claims.index)
    for verdict, colour in COLOURS.items():
        count = claims[verdict].astype(float)
        axis.barh(places, count, left=left, color=colour, label=verdict, height=0.7)
        left = left + count
    for place, (end, verdict) in enumerate(zip(left, claims["verdict"], strict=True)):
        axis.text(end + 0.15, place, verdict, va="center", fontsize="x-small")
    axis.set_yticks(places, claims["claim"], fontsize="x-small")
    axis.set_ylim(rows - 0.4, -0.6)
    axis.set_xlabel("comparisons of a metric on a test set")
