"""The claims ledger as a figure: how each claim's comparisons went."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fusionlib.report.style import set_caption, set_style

COLOURS = {"supported": "#0072b2", "undecided": "0.8", "contradicted": "#d55e00"}


def ledger_bars(ledger: pd.DataFrame, caption: str = "") -> Figure:
    """A bar a claim: its comparisons by verdict; the claim's own verdict beside it.

    `ledger` is what `experiments.ledger` returned.
    """
    set_style()
    figure, axis = plt.subplots(figsize=(8, 0.24 * len(ledger) + 1.1), layout="constrained")
    places, left = range(len(ledger)), pd.Series(0.0, ledger.index)
    for verdict, colour in COLOURS.items():
        none = pd.Series(float("nan"), ledger.index)
        count = ledger.get(verdict, none).fillna(0)
        axis.barh(places, count, left=left, color=colour, label=verdict, height=0.7)
        left = left + count
    for place, (end, verdict) in enumerate(zip(left, ledger["verdict"], strict=True)):
        axis.text(end + 0.15, place, verdict, va="center", fontsize="x-small")
    axis.set_yticks(places, ledger["claim"], fontsize="x-small")
    axis.set_ylim(len(ledger) - 0.4, -0.6)
    axis.set_xlim(0, max(left.max(), 1) * 1.25)
    axis.set_xlabel("comparisons of a metric on a test set")
    axis.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
