"""Figures of what a relation lets training see: joint histograms, and how they grow."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.report.style import PARADIGM_COLOURS, set_caption, set_style

_NAMES = {"strict": "SPTP", "unpaired": "UPTP", "arbitrary": "APTP"}


def joint_histograms(counts: Mapping[str, Mapping[str, Tensor]], caption: str = "") -> Figure:
    """Joint histograms, a column a relation, a line a kind of value.

    Args:
        counts: kind -> relation -> (bins, bins) counts, infrared down.
        caption: stands below; it names the data set.
    """
    set_style()
    kinds, relations = list(counts), list(next(iter(counts.values())))
    shape = len(kinds), len(relations)
    figure, axes = plt.subplots(
        *shape, figsize=(2.5 * shape[1] + 0.8, 2.5 * shape[0] + 0.5),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, kind in zip(axes, kinds, strict=True):
        shares = {r: (c / c.sum()).numpy() for r, c in counts[kind].items()}
        # One scale for the three relations; cells that are never reached stay white.
        norm = LogNorm(1e-7, max(share.max() for share in shares.values()))
        for axis, relation in zip(line, relations, strict=True):
            share = np.where(shares[relation] > 0, shares[relation], np.nan)
            drawn = axis.imshow(share, origin="lower", cmap="viridis", norm=norm, extent=(0, 1) * 2)
            reached = 100 * np.isfinite(share).mean()
            axis.set_title(f"{_NAMES[relation]}: {reached:.0f} % reached", fontsize="small")
            axis.set(xticks=[0, 1], yticks=[0, 1], xlabel=f"visible {kind}")
        line[0].set_ylabel(f"infrared {kind}")
        figure.colorbar(drawn, ax=line, shrink=0.8, label="share of pixels")
    set_caption(figure, caption)
    return figure


def relation_growth(grown: pd.DataFrame, caption: str = "") -> Figure:
    """Entropy and coverage against the patches a side, a line a relation.

    `grown` is what `relationships.against_size` returned.
    """
    set_style()
    kinds = list(grown["kind"].unique())
    figure, axes = plt.subplots(
        len(kinds), 2, figsize=(8, 2.6 * len(kinds) + 0.4), squeeze=False, layout="constrained"
    )
    named = grown.assign(paradigm=grown["relation"].map(_NAMES), reached=100 * grown["coverage"])
    for line, kind in zip(axes, kinds, strict=True):
        here = named[named["kind"] == kind]
        for axis, value, label in (
            (line[0], "entropy", "entropy, bits"),
            (line[1], "reached", "cells reached, %"),
        ):
            sns.lineplot(here, x="patches", y=value, hue="paradigm", style="paradigm", markers=True,
                         palette=PARADIGM_COLOURS, ax=axis, legend=axis is line[0])  # fmt: skip
            axis.set(xlabel="patches a side", ylabel=label, title=kind)
            axis.grid(alpha=0.3)
        line[0].legend(title=None, frameon=False)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
