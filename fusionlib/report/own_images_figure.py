"""Figures of the reader's own images: what is in two folders, and how a loss fell."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.images import to_uint8
from fusionlib.report.curves import smooth
from fusionlib.report.panels import smaller
from fusionlib.report.style import set_caption, set_style

MOST = 10  # thumbnails of a folder
COLUMNS = 5
_WIDTH = 200  # of a thumbnail, in pixels
_TERMS = {"intensity": "C0", "gradient": "C1", "ssim": "C2"}


def contact_sheet(folders: Mapping[str, Mapping[str, Tensor]], caption: str) -> Figure:
    """The first ten images of each folder, and how often each grey level occurs in all.

    Args:
        folders: title -> name -> image (1 or 3, H, W) in [0, 1], of any sizes.
        caption: stands below.
    """
    set_style()
    figure = plt.figure(figsize=(11, 1.75 * 2 * len(folders) + 0.5), layout="constrained")
    parts = figure.subfigures(len(folders), 2, width_ratios=[4, 1.15])
    for (left, right), (title, found) in zip(parts, folders.items(), strict=True):
        grid = left.subplots(2, COLUMNS, squeeze=False)
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, (name, image) in zip(grid.flat, list(found.items())[:MOST]):
            levels = to_uint8(image).transpose(1, 2, 0)
            axis.imshow(smaller(levels / 255.0, _WIDTH).squeeze(), cmap="gray", vmin=0, vmax=1)
            height, width = levels.shape[:2]
            axis.set_title(f"{name}\n{width}×{height}", fontsize="x-small", pad=2)
        shown = f"{MOST} of {len(found)} images" if len(found) > MOST else f"{len(found)} images"
        left.suptitle(f"{title}: {shown}", fontsize="medium", fontweight="bold")
        _levels(right.subplots(), found)
    set_caption(figure, caption)
    return figure


def _levels(axis, found: Mapping[str, Tensor]) -> None:
    shares = [
        np.bincount(to_uint8(image).ravel(), minlength=256) / image.numel()
        for image in found.values()
    ]
    mean = 100 * np.mean(shares, 0).reshape(32, 8).sum(1)
    axis.bar(np.arange(4, 256, 8), mean, width=8, color="0.4", lw=0)
    axis.set(xlim=(0, 256), xticks=[0, 64, 128, 192, 255], xlabel="grey level")
    axis.set_ylabel("% of pixels")
    sns.despine(ax=axis)


def loss_curve(history: pd.DataFrame, caption: str) -> Figure:
    """A training's loss: every step in grey, and the smoothed course of each term.

    `history` is what `Run.history` gives, of a run with `BSPLoss`.
    """
    set_style()
    figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
    axis.plot(history["step"], history["total"], color="0.8", lw=0.7)
    course = smooth(history.assign(run=0), ["run"])
    axis.plot(course["step"], course["total"], color="black", lw=2, label="total")
    for (term, colour), style in zip(_TERMS.items(), ("--", "-.", ":"), strict=True):
        if term in course:
            axis.plot(course["step"], course[term], style, color=colour, lw=1.6, label=term)
    axis.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, history["step"].max()))
    axis.legend(frameon=False, ncols=4, fontsize="small")
    axis.grid(alpha=0.3)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
