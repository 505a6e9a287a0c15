"""A slider over disturbances: the image at the left, all metrics at the right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from fusionlib.data import Pair
from fusionlib.images import to_uint8
from fusionlib.report.live import live_or_still
from fusionlib.report.panels import BOX_COLOURS, Box, pixels
from fusionlib.report.redraw import png_of
from fusionlib.report.scoring import DISTURBANCES, MOVES, disturb
from fusionlib.report.scoring_figures import BETTER, CUT, WORSE, show_levels, small, with_arrow
from fusionlib.report.style import set_style

UNMOVED = "0.6"


class Board:
    """The image and the gains of all metrics at one strength, to be moved to another.

    Args:
        fused, pair, seed: as for `scoring.measure`.
        curves: what it gave; numbers are read from it, never computed again.
        boxes: two squares to enlarge, as from `report.telling_boxes`.
        caption: stands below the image; it names the data set.
    """

    def __init__(
        self,
        fused: Tensor,
        pair: Pair,
        curves: pd.DataFrame,
        boxes: Sequence[Box],
        caption: str,
        seed: int = 0,
    ):
        set_style()
        self.fused, self.pair, self.seed = fused, pair, seed
        self.steps = dict(list(curves.groupby(["disturbance", "strength"], sort=False)))
        self.start = next(
            step for (name, strength), step in self.steps.items()
            if strength == DISTURBANCES[name].nothing
        )["value"].to_numpy()  # fmt: skip
        height, width = fused.shape[-2:]
        column = 3.9  # inches, of the image
        tall = column * (height / width + 0.5)
        self.figure = Figure(figsize=(10, tall + 0.75), dpi=110)
        top, bottom = 1 - 0.32 / (tall + 0.75), 0.43 / (tall + 0.75)
        pictures = self.figure.add_gridspec(
            2, 2, left=0, right=column / 10, top=top, bottom=bottom, wspace=0.02, hspace=0.02,
            height_ratios=[height / width, 0.5],
        )  # fmt: skip
        self.crops = [_crop(box, height, width) for box in boxes]
        places = zip((pictures[0, :], pictures[1, 0], pictures[1, 1]), (None, *BOX_COLOURS))
        self.images = [
            show_levels(self.figure.add_subplot(place), view, colour)
            for (place, colour), view in zip(places, self._views(fused))
        ]
        self.images[0].set_extent((0, width, height, 0))  # the boxes count pixels of the image
        for (rows, columns), colour in zip(self.crops, BOX_COLOURS):
            side = rows.stop - rows.start
            box = Rectangle((columns.start, rows.start), side, side, fill=False, ec=colour)
            self.images[0].axes.add_patch(box)
        self.axis = self.figure.add_axes((0.485, bottom, 0.37, top - bottom))
        metrics = list(next(iter(self.steps.values()))["metric"])
        self.bars = self.axis.barh(range(len(metrics)), 0, height=0.7)
        across = self.axis.get_yaxis_transform()
        self.texts = [
            self.axis.text(1.02, row, "", transform=across, va="center", fontsize="x-small")
            for row in range(len(metrics))
        ]
        self.axis.set_yticks(range(len(metrics)), [with_arrow(metric) for metric in metrics])
        self.axis.set(ylim=(len(metrics) - 0.4, -0.6), xlim=(-CUT, CUT))
        self.axis.axvline(0, color="0.3", lw=0.8)
        self.axis.set_xlabel(f"worse ←  per cent, cut at ±{CUT}  → better", fontsize="small")
        self.axis.grid(axis="x", alpha=0.4)
        self.figure.text(column / 20, 0.02, caption, ha="center", fontsize="small")

    def move(self, name: str, strength: float) -> Figure:
        """Show a disturbance at one of its measured strengths."""
        disturbed = disturb(self.fused, self.pair, name, strength, self.seed)
        for image, view in zip(self.images, self._views(disturbed), strict=True):
            image.set_data(view)
        self.images[0].axes.set_title(f"{name} {strength:g} ({DISTURBANCES[name].unit})")
        step = self.steps[name, float(strength)]
        rows = zip(self.bars, self.texts, self.start, step["value"], step["gain"], strict=True)
        for bar, text, before, after, gain in rows:
            bar.set_width(float(np.clip(gain, -CUT, CUT)))
            bar.set_color(UNMOVED if abs(gain) < MOVES else BETTER if gain > 0 else WORSE)
            text.set_text(f"{before:.4g} → {after:.4g}")
        return self.figure

    def png(self, name: str, strength: float) -> bytes:
        """`move`, drawn: the bytes of a PNG."""
        return png_of(self.move(name, strength))

    def _views(self, image: Tensor) -> list[np.ndarray]:
        levels = to_uint8(image)[0, 0]
        return [small(image), *(levels[crop] for crop in self.crops)]


def play(board: Board, path: Path, name: str = "noise", strength: float = 10) -> Figure | None:
    """Let the reader move a slider over disturbances; keep one position in `path`.

    In a live notebook a menu and a slider stand above the board, see
    `live_or_still`.
    """
    still = board.move(name, strength)
    return live_or_still(still, path, lambda: _controls(board, name, strength))


def _controls(board: Board, name: str, strength: float):
    import ipywidgets

    menu = ipywidgets.Dropdown(options=list(DISTURBANCES), value=name, description="disturbance")
    slider = ipywidgets.SelectionSlider(
        options=DISTURBANCES[name].strengths, value=strength, description="strength"
    )
    shown = ipywidgets.Image(value=board.png(name, strength), format="png")
    shown.layout.max_width = "100%"

    def draw(_) -> None:
        shown.value = board.png(menu.value, slider.value)

    def choose(change) -> None:
        kind = DISTURBANCES[change["new"]]
        slider.unobserve(draw, "value")  # its value is not yet one of the new strengths
        slider.options = kind.strengths
        slider.value = kind.nothing
        slider.observe(draw, "value")
        draw(change)

    menu.observe(choose, "value")
    slider.observe(draw, "value")
    return ipywidgets.VBox([ipywidgets.HBox([menu, slider]), shown])


def _crop(box: Box, height: int, width: int) -> tuple[slice, slice]:
    top, left, side = pixels(box, height, width)
    return slice(top, top + side), slice(left, left + side)
