"""A pairing that a reader draws, and what the loss makes of each relation in it."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle

from fusionlib.errors import FusionError
from fusionlib.pairing import PARADIGMS
from fusionlib.report.pairing_figure import stretched
from fusionlib.report.pairing_pull import TERMS, Meetings
from fusionlib.report.redraw import png_of, png_of_array
from fusionlib.report.style import PARADIGM_COLOURS, set_caption, set_style

TERM_GREYS = dict(zip(TERMS, ("0.25", "0.55", "0.8"), strict=True))
VIEWS = ("infrared", "visible", "pull on their mean", "where it rests")
Relation = tuple[int, int]


def read_pairs(text: str, n_ir: int, n_vi: int) -> list[Relation]:
    """The relations of a text such as "0-3 1-0", infrared first, counted from 0.

    Raises FusionError for what is no pair of numbers, or names no patch.
    """
    found = []
    for word in text.replace(",", " ").split():
        ends = word.split("-")
        if len(ends) != 2 or not all(end.isdecimal() for end in ends):
            raise FusionError(f'A pairing is written "0-3 1-0", infrared first, not {word!r}.')
        found.append((int(ends[0]), int(ends[1])))
    return _checked(found, n_ir, n_vi)


def _checked(pairs: Iterable[Relation], n_ir: int, n_vi: int) -> list[Relation]:
    """Each relation once, in order; FusionError for one of a patch that is not there."""
    found = sorted({(int(i), int(j)) for i, j in pairs})
    for i, j in found:
        if not (0 <= i < n_ir and 0 <= j < n_vi):
            raise FusionError(
                f"There is no relation {i}-{j}: infrared patches go from 0 to {n_ir - 1}, visible"
                f" ones to {n_vi - 1}."
            )
    return found


class Pairing:
    """Relations chosen among all meetings of a small base, and one that is looked at.

    Args:
        meetings: what the loss makes of each; nothing is computed again.
        pairs: the relations to begin with, (infrared, visible) each. The
            first mismatched one is looked at.
        caption: stands below; it names the data set.

    Raises FusionError for a relation of a patch that is not there.
    """

    def __init__(self, meetings: Meetings, pairs: Iterable[Relation], caption: str = ""):
        self.meetings, self.caption = meetings, caption
        self.pairs = _checked(pairs, len(meetings.ir), len(meetings.vi))
        self.looked = next((pair for pair in self.pairs if pair[0] != pair[1]), (0, 0))
        self._board: _Board | None = None

    @property
    def indices(self) -> np.ndarray:
        """The relations as training takes them: (T, 2)."""
        return np.array(self.pairs, dtype=np.int64).reshape(-1, 2)

    @property
    def code(self) -> str:
        """The text that `read_pairs` turns into these relations."""
        return " ".join(f"{i}-{j}" for i, j in self.pairs)

    def sprite(self) -> np.ndarray:
        """All small pictures as one, uint8: visible on top, infrared at the left, fused inside.

        Each is stretched to its own grey levels, so that dark ones show.
        """
        pictures = self.meetings
        ir, vi = (stretched(x.numpy()) for x in (pictures.ir, pictures.vi))
        best = [stretched(line.numpy()) for line in pictures.best]
        top = np.hstack([np.ones_like(vi[0]), *vi])
        lines = [np.hstack([patch, *line]) for patch, line in zip(ir, best)]
        return np.round(255 * np.vstack([top, *lines])).astype(np.uint8)

    def figure(self) -> Figure:
        """The grid with the chosen relations framed, beside the one that is looked at."""
        set_style()
        figure = plt.figure(figsize=(11, 4.6))
        left, right = figure.subfigures(1, 2, width_ratios=(5, 7))
        self._draw_grid(left.subplots())
        _Board(right, self.meetings).show(self.pairs, self.looked)
        set_caption(figure, self.caption)
        return figure

    def png(self) -> bytes:
        """The relation that is looked at, and the bars of all: the bytes of a PNG."""
        if self._board is None:
            set_style()
            self._board = _Board(Figure(figsize=(6.6, 4.5), dpi=110), self.meetings)
            set_caption(self._board.figure, self.caption)
        self._board.show(self.pairs, self.looked)
        return png_of(self._board.figure)

    def sprite_png(self) -> bytes:
        """`sprite`, for the widget."""
        return png_of_array(self.sprite())

    def _draw_grid(self, axis) -> None:
        sprite, side = self.sprite(), self.meetings.ir.shape[-1]
        rows, columns = (length // side for length in sprite.shape)
        faded = sprite.astype(float)
        for i in range(rows - 1):
            for j in range(columns - 1):
                chosen = (i, j) in self.pairs
                place = np.s_[(i + 1) * side : (i + 2) * side, (j + 1) * side : (j + 2) * side]
                if not chosen:
                    faded[place] = 255 - 0.22 * (255 - faded[place])
                    continue
                frame = Rectangle(
                    ((j + 1.04) * side, (i + 1.04) * side), 0.92 * side, 0.92 * side,
                    fill=False, lw=2.5, ec=PARADIGM_COLOURS["SPTP" if i == j else "UPTP"],
                )  # fmt: skip
                axis.add_patch(frame)
        axis.imshow(
            faded, cmap="gray", vmin=0, vmax=255, extent=(0, columns * side, rows * side, 0)
        )
        i, j = self.looked
        axis.add_patch(
            Rectangle(((j + 1) * side, (i + 1) * side), side, side, fill=False, ec="black", lw=1.5)
        )
        middles = (np.arange(1, columns) + 0.5) * side, (np.arange(1, rows) + 0.5) * side
        axis.set_xticks(middles[0], [f"vi {j}" for j in range(columns - 1)])
        axis.set_yticks(middles[1], [f"ir {i}" for i in range(rows - 1)])
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)


class _Board:
    """Four views of a relation above the loss of all meetings, to be drawn again and again."""

    def __init__(self, figure: FigureBase, meetings: Meetings):
        self.figure, self.meetings = figure, meetings
        grid = figure.add_gridspec(
            2, 4, left=0.1, right=0.99, top=0.93, bottom=0.17, wspace=0.06, hspace=0.32,
            height_ratios=(1, 1.1),
        )  # fmt: skip
        # One scale for all pulls, so that relations compare; few pixels exceed it.
        limit = meetings.pull.abs().flatten().quantile(0.98).item()
        self.images = []
        for place, name in enumerate(VIEWS):
            axis = figure.add_subplot(grid[0, place])
            pulled = name == VIEWS[2]
            look = dict(cmap="RdBu_r", vmin=-limit, vmax=limit) if pulled else dict(cmap="gray")
            self.images.append(axis.imshow(meetings.ir[0].numpy(), **look))
            axis.set_title(name, fontsize="small")
            axis.set(xticks=[], yticks=[])
            if pulled:
                axis.set_xlabel("blue: to visible\nred: to infrared", fontsize="x-small")
        self._draw_bars(figure.add_subplot(grid[1, :]))

    def _draw_bars(self, axis) -> None:
        terms = self.meetings.terms
        groups, each = len(self.meetings.ir), len(self.meetings.vi)
        self.places = {(i, j): i * (each + 1) + j for i, j in terms.index}
        places, bottom = np.array(list(self.places.values())), np.zeros(len(terms))
        self.bars = []
        for name, grey in TERM_GREYS.items():
            if name in terms:
                self.bars.append(
                    axis.bar(places, terms[name], 0.85, bottom, color=grey, label=name)
                )
                bottom += terms[name].to_numpy()
        strict = np.array([i == j for i, j in terms.index])
        for mode, here in (("SPTP", strict), ("UPTP", ~strict)):
            look = dict(color=PARADIGM_COLOURS[mode], ms=7, mew=2.5)
            name = f"at rest, {PARADIGMS[mode]}"
            axis.plot(places[here], terms["rest"][here], "_", label=name, **look)
        (self.pointer,) = axis.plot([0], [0], "^", color="black", ms=6, clip_on=False)
        top = 1.25 * terms[["total", "rest"]].to_numpy().max()
        axis.set(ylim=(0, top), xlim=(-1, places[-1] + 1), ylabel="loss")
        middles = (each + 1) * np.arange(groups) + (each - 1) / 2
        axis.set_xticks(middles, [f"ir {i}" for i in range(groups)])
        axis.set_xlabel(f"each with vi 0 to {each - 1}, from left to right", fontsize="x-small")
        axis.tick_params(axis="x", length=0, pad=7, labelsize="small")
        axis.legend(ncols=5, frameon=False, fontsize="x-small", loc="upper right",
                    columnspacing=1, handlelength=1)  # fmt: skip
        axis.spines[["top", "right"]].set_visible(False)

    def show(self, pairs: list[Relation], looked: Relation) -> None:
        """Bring views and bars up to date: chosen relations dark, the one looked at marked."""
        i, j = looked
        sources = self.meetings.ir[i], self.meetings.vi[j]
        brightest = max(source.max().item() for source in sources)
        views = *sources, self.meetings.pull[i, j], self.meetings.best[i, j]
        for name, image, view in zip(VIEWS, self.images, views, strict=True):
            image.set_data(view.numpy())
            if name != VIEWS[2]:
                image.set_clim(0, brightest)
        self.images[0].axes.set_ylabel(f"ir {i}, vi {j}", fontsize="small")
        self.pointer.set_xdata([self.places[looked]])
        chosen = set(pairs)
        for bars in self.bars:
            for relation, bar in zip(self.places, bars, strict=True):
                bar.set_alpha(1 if relation in chosen else 0.15)
