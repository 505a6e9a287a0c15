"""One pixel of a scene: its surroundings, its loss as a curve, and how the lowest point moves."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle
from torch import Tensor

from fusionlib.images import to_uint8
from fusionlib.losses.windows import blur
from fusionlib.report import loss_pixel
from fusionlib.report.loss_maps import pixel_table, term_maps
from fusionlib.report.loss_pixel import PAPER, Place
from fusionlib.report.panels import pixels, telling_boxes
from fusionlib.report.redraw import Redrawn, one_thread, png_of_array
from fusionlib.report.style import set_caption, set_style

SIDES = (1, 3, 7, 15)  # of the square that moves as one
AROUND = 16  # pixels on each side that the enlargements show
LEVELS, WARMTHS = torch.linspace(0, 1, 129), torch.linspace(0, 1, 11)
COARSE = torch.linspace(0, 1, 33)
LEGEND = dict(fontsize="x-small", framealpha=0.75, edgecolor="none", handlelength=2.2)
LINES = {"total": ("black", "-"), "intensity": ("#0173b2", "--"), "gradient": ("#de8f05", "-."),
         "ssim": ("#029e73", ":")}  # fmt: skip


def telling_pixel(ir: Tensor, vi: Tensor) -> tuple[int, int]:
    """Row and column, in the warmest box unseen in the visible, where infrared is ahead most.

    It is ahead there with its surroundings, not as a pixel alone.
    """
    top, left, side = pixels(telling_boxes(ir, vi)[0], *ir.shape[1:])
    ahead = blur(ir - vi)[0, top : top + side, left : left + side]
    y, x = divmod(int(ahead.argmax()), side)
    margin = max(SIDES) // 2
    height, width = ir.shape[1:]
    return (min(max(top + y, margin), height - 1 - margin),
            min(max(left + x, margin), width - 1 - margin))  # fmt: skip


class LossBoard:
    """A scene, its fused image, and a place in it.

    Args:
        fused, ir, vi: (1, H, W) in [0, 1].
        caption: stands below; it names the data set.
        place: row and column to begin with; None takes `telling_pixel`.

    `place` may be set to another one, and `infrared` to another level of the
    infrared image there; None leaves it as it is.
    """

    def __init__(
        self,
        fused: Tensor,
        ir: Tensor,
        vi: Tensor,
        caption: str = "",
        place: tuple[int, int] | None = None,
    ):
        self.fused, self.vi, self._ir, self.caption = fused, vi, ir, caption
        self.place = Place(*(place or telling_pixel(ir, vi)), size=tuple(ir.shape[1:]))
        self.infrared: float | None = None
        self._board: _Board | None = None
        self._redrawn: Redrawn | None = None
        self._moves: dict[Place, pd.DataFrame] = {}

    @property
    def ir(self) -> Tensor:
        """The infrared image, with the chosen level at the place."""
        if self.infrared is None:
            return self._ir
        return loss_pixel.with_level(self._ir, self.place, self.infrared)

    @property
    def found(self) -> float:
        """The infrared level at the place, as the image has it."""
        return self._ir[0, self.place.y, self.place.x].item()

    def move(self, y: int, x: int, side: int | None = None) -> None:
        """Look at another place; the infrared is there as it was."""
        self.place = replace(self.place, y=y, x=x, side=side or self.place.side)
        self.infrared = None

    @one_thread()
    def table(self) -> pd.DataFrame:
        """Every number of the pixel, as `loss_maps.pixel_table`."""
        maps = term_maps(*(x[None] for x in (self.fused, self.ir, self.vi)))
        return pixel_table(maps, PAPER, self.place.y, self.place.x)

    def curves(self, levels: Tensor = LEVELS) -> pd.DataFrame:
        """The loss against the fused level of the place, as `loss_pixel.curves`."""
        return loss_pixel.curves(self.fused, self.ir, self.vi, self.place, levels)

    @property
    def lowest(self) -> float:
        """Where the intensity term is lowest, in closed form."""
        return loss_pixel.lowest_intensity(self.fused, self.ir, self.vi, self.place)

    def moves(self) -> pd.DataFrame:
        """Where the loss is lowest for each infrared level, as `loss_pixel.by_infrared`."""
        if self.place not in self._moves:
            images = self.fused, self._ir, self.vi
            self._moves[self.place] = loss_pixel.by_infrared(*images, self.place, WARMTHS, COARSE)
        return self._moves[self.place]

    def figure(self) -> Figure:
        """The scene with the place marked, beside its enlargements and curves."""
        set_style()
        figure = plt.figure(figsize=(12, 4.9))
        left, right = figure.subfigures(1, 2, width_ratios=(4, 8))
        axes = left.subplots(2, 1, gridspec_kw=dict(left=0.04, right=0.96, top=0.93, bottom=0.13))
        for axis, name, image in zip(axes, ("infrared", "visible"), (self._ir, self.vi)):
            axis.imshow(image[0].numpy(), cmap="gray")
            axis.set_title(name, fontsize="small")
            axis.set(xticks=[], yticks=[])
            axis.plot(self.place.x, self.place.y, "o", mfc="none", mec="#ffd000", ms=10, mew=2)
        _Board(right).show(self)
        set_caption(figure, self.caption)
        return figure

    @one_thread()
    def png(self) -> bytes:
        """Enlargements and curves: the bytes of a PNG."""
        if self._board is None:
            set_style()
            self._board = _Board(Figure(figsize=(7.6, 4.9), dpi=100))
            set_caption(self._board.figure, self.caption)
        self._board.show(self)
        if self._redrawn is None:
            self._redrawn = Redrawn(self._board.figure, self._board.moving)
        return self._redrawn.png()

    def scene_png(self, name: str) -> bytes:
        """The whole "infrared", "visible" or "fused" image, dark ones brightened."""
        image = {"infrared": self._ir, "visible": self.vi, "fused": self.fused}[name]
        return png_of_array(to_uint8(image / image.max().clamp_min(1e-3))[0])


class _Board:
    """Three enlargements above two plots, to be drawn again and again."""

    def __init__(self, figure: FigureBase):
        self.figure = figure
        above = figure.add_gridspec(1, 3, left=0.09, right=0.94, top=0.93, bottom=0.61)
        below = figure.add_gridspec(1, 2, left=0.09, right=0.94, top=0.49, bottom=0.19)
        self.images, self.squares = [], []
        blank = np.zeros((2 * AROUND + 1, 2 * AROUND + 1))
        for column in range(3):
            axis = figure.add_subplot(above[0, column])
            self.images.append(axis.imshow(blank, cmap="gray"))
            self.squares.append(axis.add_patch(Rectangle((0, 0), 1, 1, fill=False, lw=1.5)))
            self.squares[-1].set_edgecolor("#ffd000")
            axis.set(xticks=[], yticks=[])
        self._prepare_curves(figure.add_subplot(below[0, 0]))
        self._prepare_moves(figure.add_subplot(below[0, 1]))

    @property
    def moving(self) -> list[Artist]:
        """All that `show` changes, from back to front."""
        above, below = [image.axes for image in self.images], [self.now.axes, self.here.axes]
        drawn = [(*axis.images, *axis.patches, *axis.lines, axis.title) for axis in above + below]
        # A legend moves with the curves, or they would hide it.
        drawn.append((self.now.axes.yaxis, *(axis.get_legend() for axis in below)))
        return sorted((artist for several in drawn for artist in several), key=Artist.get_zorder)

    def _prepare_curves(self, axis) -> None:
        self.curves = {
            name: axis.plot([], [], style, color=colour, lw=1.6, label=name)[0]
            for name, (colour, style) in LINES.items()
        }
        self.now = axis.axvline(0, color="0.6", lw=1, label="fused now")
        (self.least,) = axis.plot([], [], "v", color="black", ms=7, clip_on=False)
        (self.closed,) = axis.plot([], [], "D", color="#0173b2", ms=5, clip_on=False)
        axis.set(xlim=(0, 1), xlabel="fused level here", ylabel="change of the loss × pixels")
        axis.legend(**LEGEND, loc="upper right")
        axis.spines[["top", "right"]].set_visible(False)

    def _prepare_moves(self, axis) -> None:
        self.moved = {
            name: axis.plot([], [], look, color=LINES[name][0], ms=4, lw=1.6, label=label)[0]
            for name, look, label in (
                ("intensity", "--D", "lowest intensity term"),
                ("total", "v", "lowest total"),
            )
        }
        self.brighter = axis.plot([], [], color="0.75", lw=3, zorder=0, label="the brighter source")
        self.here = axis.axvline(0, color="0.6", lw=1, label="infrared here")
        axis.yaxis.tick_right()
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="infrared level here")
        axis.set_title("where the loss is lowest", fontsize="small")
        axis.legend(**LEGEND, loc="upper left")
        axis.spines[["top", "left"]].set_visible(False)

    def show(self, of: LossBoard) -> None:
        """Bring all up to date with the place and the infrared level there."""
        y, x = of.place.y, of.place.x
        rows, columns = (slice(max(0, middle - AROUND), middle + AROUND + 1) for middle in (y, x))
        images = {"infrared": of.ir, "visible": of.vi, "fused": of.fused}
        views = {name: image[0, rows, columns].numpy() for name, image in images.items()}
        brightest = max(view.max() for view in views.values())
        for (name, view), image, square in zip(views.items(), self.images, self.squares):
            top, left = rows.start, columns.start
            image.set(data=view, clim=(0, brightest))
            image.set_extent((left - 0.5, left + view.shape[1] - 0.5,
                              top + view.shape[0] - 0.5, top - 0.5))  # fmt: skip
            corner = x - of.place.side // 2 - 0.5, y - of.place.side // 2 - 0.5
            square.set(xy=corner, width=of.place.side, height=of.place.side)
            image.axes.set_title(f"{name} {images[name][0, y, x]:.2f}", fontsize="small")
        self._show_curves(of)
        self._show_moves(of)

    def _show_curves(self, of: LossBoard) -> None:
        curves = of.curves()
        for name, line in self.curves.items():
            line.set_data(curves.index, curves[name])
        least, closed = curves["total"].idxmin(), of.lowest
        self.least.set_data([least], [curves["total"].min()])
        self.closed.set_data([closed], [np.interp(closed, curves.index, curves["intensity"])])
        self.now.set_xdata([of.fused[0, of.place.y, of.place.x].item()] * 2)
        # The right end is steep, and what happens near the lowest point would not be seen.
        shown = curves["total"]
        low, high = curves.min().min(), min(shown.max(), 6 * shown.abs().quantile(0.3))
        axis = self.now.axes
        axis.set_ylim(low - 0.08 * (high - low), high + 1e-6)
        axis.set_title(f"lowest: intensity term {closed:.2f}, total {least:.2f}", fontsize="small")

    def _show_moves(self, of: LossBoard) -> None:
        moves = of.moves()
        for name, line in self.moved.items():
            line.set_data(moves.index, moves[name])
        b = of.vi[0, of.place.y, of.place.x].item()
        self.brighter[0].set_data([0, b, 1], [b, b, 1])
        self.here.set_xdata([of.ir[0, of.place.y, of.place.x].item()] * 2)
