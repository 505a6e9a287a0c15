"""Figures of the reader's own images: what is in two folders, and how a loss fell."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.images import to_uint8
from fusionlib.losses import BSPLoss
from fusionlib.report.curves import smooth
from fusionlib.report.panels import smaller
from fusionlib.report.style import set_caption, set_style

MOST = 10  # thumbnails of a folder
COLUMNS = 5
_WIDTH = 200  # of a thumbnail, in pixels
_TERMS = {"intensity": "--", "gradient": "-.", "ssim": ":"}


def contact_sheet(folders: Mapping[str, Mapping[str, Tensor]], caption: str) -> Figure:
    """The first ten images of each folder, and how often each grey level occurs in all.

    Args:
        folders: title -> name -> image (1 or 3, H, W) in [0, 1], of any sizes.
        caption: stands below.
    """
    set_style()
    figure, axes = plt.subplots(
        len(folders), 2, figsize=(11, 3.6 * len(folders) + 0.3), squeeze=False,
        layout="constrained", width_ratios=[4, 1],
    )  # fmt: skip
    for (left, right), (title, found) in zip(axes, folders.items(), strict=True):
        _thumbnails(left, found)
        shown = f"{MOST} of {len(found)} images" if len(found) > MOST else f"{len(found)} images"
        left.set_title(f"{title}: {shown}", fontweight="bold")
        _levels(right, found)
    set_caption(figure, caption)
    return figure


def _thumbnails(axis: Axes, found: Mapping[str, Tensor]) -> None:
    """Images in lines of five, each in a cell of 1 x 1 with its name and size above."""
    for place, (name, image) in enumerate(list(found.items())[:MOST]):
        row, column = divmod(place, COLUMNS)
        levels = to_uint8(image).transpose(1, 2, 0)
        height, width = levels.shape[:2]
        scale = min(0.94 / width, 0.74 / height)
        wide, high = scale * width / 2, scale * height / 2
        x, y = column + 0.5, row + 0.6
        extent = (x - wide, x + wide, y + high, y - high)
        picture = smaller(levels / 255.0, _WIDTH).squeeze()
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=extent)
        told = f"{name[:24]}\n{width}×{height}"
        axis.text(x, y - high - 0.02, told, ha="center", va="bottom", fontsize="x-small")
    lines = -(-min(len(found), MOST) // COLUMNS)
    axis.set(xlim=(0, COLUMNS), ylim=(lines, 0), aspect="equal")
    axis.set_axis_off()


def _levels(axis: Axes, found: Mapping[str, Tensor]) -> None:
    shares = [
        np.bincount(to_uint8(image).ravel(), minlength=256) / image.numel()
        for image in found.values()
    ]
    mean = 100 * np.mean(shares, 0).reshape(32, 8).sum(1)
    axis.bar(np.arange(4, 256, 8), mean, width=8, color="0.4", lw=0)
    axis.set(xlim=(0, 256), xticks=[0, 128, 255], xlabel="grey level", ylabel="% of pixels")
    sns.despine(ax=axis)


def loss_curve(history: pd.DataFrame, loss: BSPLoss, caption: str) -> Figure:
    """A training's loss: every step in grey, and the smoothed total with what each term adds.

    Args:
        history: as `Run.history` gives it.
        loss: of the run's spec, whose factors the terms are drawn with.
        caption: stands below.
    """
    set_style()
    figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
    axis.plot(history["step"], history["total"], color="0.8", lw=0.7)
    course = smooth(history.assign(run=0), ["run"], 40)
    axis.plot(course["step"], course["total"], color="black", lw=2, label="total")
    for number, (term, style) in enumerate(_TERMS.items()):
        if term in course:
            factor, colour = getattr(loss, term), f"C{number}"
            label = term if factor == 1 else f"{factor:g} × {term}"
            axis.plot(course["step"], factor * course[term], style, color=colour, label=label)
    axis.set(xlabel="step", ylabel="loss", ylim=(0, None), xlim=(0, history["step"].max()))
    axis.legend(frameon=False, ncols=4, fontsize="small")
    axis.grid(alpha=0.3)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
