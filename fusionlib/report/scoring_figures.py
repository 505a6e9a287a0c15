"""What `scoring` measures, as figures and a coloured table."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from pandas.io.formats.style import Styler
from torch import Tensor
from torch.nn import functional as F

from fusionlib.images import to_uint8
from fusionlib.report.scoring import (
    DISTURBANCES,
    MOVES,
    Disturbance,
    common_sign,
    direction,
    fooled,
)
from fusionlib.report.style import set_caption, set_style
from fusionlib.report.teaching import RIGHT as BETTER
from fusionlib.report.teaching import WRONG as WORSE

CUT = 100  # per cent: longer bars and higher curves are cut off
_HALF = 0.44  # of a row, from its middle to a gain of CUT


def with_arrow(label: str) -> str:
    """A metric's name with ↑ where higher is better, ↓ where lower is."""
    return f"{label} {'↑' if direction(label) == 'higher' else '↓'}"


def percent(gain: float) -> str:
    """A gain as text; "·" for one below `MOVES`."""
    if abs(gain) < MOVES:
        return "·"
    return f"{'▲' if gain > 0 else '▼'} {gain:+.0f} %".replace("-", "−")


def curves_figure(curves: pd.DataFrame, caption: str) -> Figure:
    """Every metric's gain against every disturbance: a row a metric, a column each.

    `curves` is what `scoring.measure` gives. Up and green is better by the
    metric's own direction, down and vermilion worse; the numbers are the gains
    at the ends of the row.
    """
    set_style()
    metrics = list(curves["metric"].unique())
    spans = [_span(kind) for kind in DISTURBANCES.values()]
    figure, axes = plt.subplots(
        1, len(spans), figsize=(10.5, 0.42 * len(metrics) + 1.3), sharey=True,
        gridspec_kw={"width_ratios": [right - left for left, right in spans]},
    )  # fmt: skip
    for axis, span, (name, kind) in zip(axes, spans, DISTURBANCES.items(), strict=True):
        here = curves[curves["disturbance"] == name]
        table = here.pivot(index="strength", columns="metric", values="gain")
        for row, metric in enumerate(metrics):
            _row(axis, row, table[metric].to_numpy(), span)
        places = range(len(kind.strengths))
        axis.axvline(kind.strengths.index(kind.nothing), color="0.75", lw=0.8, ls=":")
        axis.set_xticks(places[::2], [f"{s:g}" for s in kind.strengths[::2]])
        axis.set_xlim(span)
        axis.set_title(name, fontweight="bold")
        axis.set_xlabel(kind.unit.replace(": ", ":\n"), fontsize="small")
        axis.tick_params(axis="y", length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    axes[0].set_yticks(range(len(metrics)), [with_arrow(metric) for metric in metrics])
    axes[0].set_ylim(len(metrics) - 0.4, -0.6)
    figure.text(0.5, 0, f"{_LEGEND}\n{caption}", ha="center", va="top", fontsize="small")
    figure.subplots_adjust(0.08, 0.085, 1, 0.965, wspace=0.02)
    return figure


_LEGEND = (
    "up and green: the metric calls it better than the undisturbed image (dotted); "
    f"down and vermilion: worse; a row's height is ±{CUT} %, what goes beyond is cut off"
)


def _span(kind: Disturbance) -> tuple[float, float]:
    # Room for a number at the ends where something was changed.
    first, last = (kind.strengths[edge] != kind.nothing for edge in (0, -1))
    return -3.2 if first else -0.4, len(kind.strengths) - 1 + (3.2 if last else 0.4)


def _row(axis, row: int, gains: np.ndarray, span: tuple[float, float]) -> None:
    places = np.arange(len(gains))
    height = np.clip(gains, -CUT, CUT) * (_HALF / CUT)
    line = row - height  # the axis points down, as a table is read
    for where, colour in ((height >= 0, BETTER), (height <= 0, WORSE)):
        axis.fill_between(
            places, row, line, where=where, interpolate=True, color=colour, alpha=0.45, lw=0
        )
    axis.plot(places[[0, -1]], [row, row], color="0.8", lw=0.6, zorder=0)
    axis.plot(places, line, color="0.25", lw=1.1)
    look = {"va": "center", "fontsize": 6.5, "color": "0.3"}
    if span[0] < -1:
        axis.text(-0.2, row, percent(gains[0]), ha="right", **look)
    if span[1] > len(gains):
        axis.text(places[-1] + 0.2, row, percent(gains[-1]), ha="left", **look)


def rewards(tables: Sequence[pd.DataFrame]) -> Styler:
    """What each metric rewards: gains on the first pair, coloured where all agree.

    `tables` are what `scoring.tried` gives, one a pair.
    """
    colours = common_sign(tables).replace({1: BETTER, -1: WORSE, 0: ""})
    shown = tables[0].map(percent).assign(**{"fooled by": fooled(tables)})
    css = colours.map(lambda c: f"color: {c}; font-weight: bold" if c else "color: gray")
    names = {metric: with_arrow(metric) for metric in shown.index}
    style = shown.rename(index=names).rename_axis(None).style
    style = style.apply(lambda _: css.rename(index=names), axis=None, subset=list(css.columns))
    left = [{"selector": cell, "props": "text-align: left"} for cell in ("th", "td")]
    return style.set_table_styles({"fooled by": left})


def ssim_figure(
    table: pd.DataFrame, maps: Mapping[float, Tensor], variances: Tensor, caption: str
) -> Figure:
    """SSIM's maps under several data ranges, and the variances beside its constants.

    Takes what `scoring.ssim_by_range` gives.
    """
    set_style()
    figure, axes = plt.subplots(2, len(maps), figsize=(9.5, 5), layout="constrained")
    for axis, row in zip(axes[0], table.itertuples(), strict=True):
        values = small(maps[row.data_range][None, None], 1, 160)
        shown = axis.imshow(values, cmap="cividis", vmin=-0.5, vmax=2, interpolation="nearest")
        axis.set_title(f"range {row.data_range:g}: SSIM {row.SSIM:.3f}")
        axis.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes[0], label="SSIM, both sources added", shrink=0.85)
    grid = axes[1, 0].get_gridspec()
    for axis in axes[1]:
        axis.remove()
    axis = figure.add_subplot(grid[1, :-1])
    logs = np.log10(np.maximum(variances.numpy().ravel(), 1e-4))
    share = np.full(len(logs), 100 / len(logs))
    heights, *_ = axis.hist(logs, bins=100, color="0.75", histtype="stepfilled", weights=share)
    for number, row in enumerate(table.sort_values("c2").itertuples()):
        label = f"$c_2$ of range {row.data_range:g}: {row.decided:.0f} % lie left"
        axis.axvline(np.log10(row.c2), color=f"C{number}", lw=1.5, label=label)
    look = {"frameon": False, "fontsize": "x-small", "labelspacing": 0.3}
    axis.legend(loc="upper left", bbox_to_anchor=(0.22, 1), **look)
    axis.set_ylim(0, 1.5 * heights.max())
    axis.xaxis.set_major_formatter("$10^{{{x:.0f}}}$")
    axis.set(
        xlabel="sum of both variances in a window (grey levels²); flat ones at $10^{-4}$",
        ylabel="% of windows",
    )
    last = figure.add_subplot(grid[1, -1])
    decided = (variances < table["c2"].iloc[-1]).double().mean(0)[None, None]
    last.imshow(small(decided, 1), cmap="Greens", vmin=0, vmax=1)
    last.set_title(f"windows that $c_2$ of {table['data_range'].iloc[-1]:g} decides")
    last.set(xticks=[], yticks=[])
    set_caption(figure, caption)
    return figure


def stretch_figure(images: Mapping[str, Tensor], caption: str) -> Figure:
    """Images (1, 1, H, W) side by side, each above the histogram of its levels."""
    set_style()
    height, width = next(iter(images.values())).shape[-2:]
    size = (3.5 * len(images), 3.5 * height / width + 2.2)
    ratios = {"height_ratios": [3.5 * height / width, 1.3]}
    shape = (2, len(images))
    figure, axes = plt.subplots(
        *shape, figsize=size, sharey="row", gridspec_kw=ratios, layout="constrained"
    )
    for (above, below), (name, image) in zip(axes.T, images.items(), strict=True):
        levels = to_uint8(image)[0, 0]
        show_levels(above, small(image))
        above.set_title(name)
        counts = np.bincount(levels.ravel(), minlength=256)
        below.bar(range(256), 100 * counts / levels.size, width=1, color="0.35", lw=0)
        below.set(xlim=(-2, 257), xlabel=f"grey level; {np.count_nonzero(counts)} of 256 occur")
        below.set_xticks([0, 64, 128, 192, 255])
    axes[1, 0].set_ylabel("% of pixels")
    set_caption(figure, caption)
    return figure


def small(image: Tensor, top: float = 255, width: int = 320) -> np.ndarray:
    """An image (1, 1, H, W) scaled down by a whole number, times `top`: (h, w).

    Figures of a data set show no more than this.
    """
    return top * F.avg_pool2d(image, max(1, image.shape[-1] // width))[0, 0].numpy()


def show_levels(axis, levels: np.ndarray, colour: str | None = None) -> AxesImage:
    """Grey levels 0..255 without ticks; in a frame where `colour` is given."""
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=colour is not None, edgecolor=colour, linewidth=1.5)
    return axis.imshow(levels, cmap="gray", vmin=0, vmax=255)
