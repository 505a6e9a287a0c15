"""The figure of a training in progress: losses, a test metric, images early and late."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.report.curves import smooth
from fusionlib.report.panels import array_of, smaller
from fusionlib.report.style import set_caption

WIDTH, CURVES = 10.0, 3.0  # inches, of the figure and of the curves' height
PLACES = 4  # of images


def monitor_figure(
    history: pd.DataFrame,
    scores: pd.Series,
    metric: str,
    total: int,
    images: Mapping[str, Tensor],
    caption: str,
) -> Figure:
    """Curves that grow towards the last step, above up to four images.

    Losses are means over stretches of a sixtieth of the steps that were taken.
    It is not one of pyplot's figures, so that a thread can draw it.

    Args:
        history: as `Run.history`, also without rows.
        scores: means of the metric, by step.
        metric: its name.
        total: the training's steps.
        images: (1 or 3, H, W) in [0, 1], of one size, by their titles.
        caption: stands below.
    """
    height, width = next(iter(images.values())).shape[-2:]
    below = WIDTH / PLACES * height / width + 0.3
    figure = Figure(figsize=(WIDTH, CURVES + below + 0.4), layout="constrained")
    axes = figure.subplot_mosaic(
        [["loss", "loss", "score", "score"], list(range(PLACES))], height_ratios=[CURVES, below]
    )
    _losses(axes["loss"], history)
    axes["loss"].set(ylabel="training loss, mean of a few steps")
    axes["score"].plot(scores.index, scores, "o-", ms=4, color=sns.color_palette("colorblind")[0])
    axes["score"].set(title=f"{metric} of each snapshot", ylabel=metric)
    axes["score"].set_ylim(bottom=min(0, scores.min()) if len(scores) else 0)
    for name in ("loss", "score"):
        axes[name].set(xlim=(0, total), xlabel="step")
        axes[name].grid(alpha=0.4)
        sns.despine(ax=axes[name])
    for place, (name, image) in enumerate(images.items()):
        _image(axes[place], image)
        axes[place].set_title(name, fontsize="small")
    for place in range(PLACES):
        axes[place].set_axis_off()
    set_caption(figure, caption)
    return figure


def _losses(axis, history: pd.DataFrame) -> None:
    """A line a term, the total black and above the others."""
    if history.empty:
        return
    smoothed = smooth(history.assign(run=0), ["run"])
    terms = [name for name in history.columns if name not in ("step", "epoch", "total")]
    colours = sns.color_palette("colorblind", len(terms))
    styles = ("-", "--", "-.", ":")
    for number, (term, colour) in enumerate(zip(terms, colours, strict=True)):
        line = {"color": colour, "ls": styles[number % len(styles)]}
        axis.plot(smoothed["step"], smoothed[term], label=term, **line)
    if "total" in history:
        axis.plot(smoothed["step"], smoothed["total"], color="black", lw=2, label="total")
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": len(terms) + 1}
    axis.legend(frameon=False, fontsize="small", **above)


def _image(axis, image: Tensor) -> None:
    axis.imshow(smaller(array_of(image), 320), cmap="gray", vmin=0, vmax=1)
