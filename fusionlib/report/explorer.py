"""Explore fused images: choose a pair and two views, drag a curtain, read the metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from fusionlib import images
from fusionlib.data import Pair, PairSet
from fusionlib.data.pairs import FilePair
from fusionlib.errors import FusionError
from fusionlib.inference import Protocol
from fusionlib.progress import live_notebook
from fusionlib.report.panels import BOX_COLOURS, Box, panels, pixels, telling_boxes
from fusionlib.report.redraw import png_of_array
from fusionlib.report.style import save_figure, set_caption, set_style
from fusionlib.report.views import INFRARED, VISIBLE, Views, kept
from fusionlib.training import Run

YOURS = "your own"
Published = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Seen:
    """What an explorer shows: enough to show it again.

    dataset, image: the pair.
    left, right: views on both sides of the curtain.
    protocol: how networks' images are made.
    position: of the curtain, 0 to 1 from the left.
    box: what is enlarged, (centre x, centre y, side) in shares of the image's
        width, height and height.
    """

    dataset: str
    image: str
    left: str
    right: str
    protocol: str = "released"
    position: float = 0.5
    box: Box = (0.5, 0.5, 0.22)

    @property
    def code(self) -> str:
        """The line that draws it again."""
        x, y, side = (round(value, 3) for value in self.box)
        return (
            f"explorer.figure({self.dataset!r}, {self.image!r}, {self.left!r}, {self.right!r},"
            f" protocol={self.protocol!r}, position={self.position:.2f}, box=({x}, {y}, {side}))"
        )


class Explorer:
    """Pairs of several data sets, through networks, two views at a time.

    Args:
        scenes: data set -> its pairs.
        networks: runs and models of grey images, by name.
        protocol: to begin with.
        convention: of the metrics.
        published: data set -> row of a table -> metric -> its printed mean, to
            be shown beside.

    Raises FusionError where there is no pair, and as `Views`.
    """

    def __init__(
        self,
        scenes: Mapping[str, PairSet],
        networks: Mapping[str, Run | nn.Module],
        protocol: str = "released",
        convention: str = "bsp",
        published: Published | None = None,
    ):
        if not scenes or not all(len(pairs) for pairs in scenes.values()):
            raise FusionError("There is no pair to explore: give data sets that hold some.")
        self.scenes: dict[str, PairSet | tuple[Pair, ...]] = dict(scenes)
        self.views, self.convention = Views(networks), convention
        self.published = published or {}
        self._pictures: dict[tuple, bytes] = {}
        dataset = next(iter(self.scenes))
        pair = self.scenes[dataset][0]
        first, *_ = telling_boxes(pair.ir, pair.vi)
        right = next(iter(networks), VISIBLE)
        self.seen = Seen(dataset, pair.name, INFRARED, right, Protocol.of(protocol).name, box=first)

    def pair(self, dataset: str, image: str) -> Pair:
        """A pair by its names; FusionError for one that is not there."""
        if dataset not in self.scenes:
            raise FusionError(f"There is no data set {dataset!r}: {', '.join(self.scenes)}.")
        for pair in self.scenes[dataset]:
            if pair.name == image:
                return pair
        raise FusionError(f"{dataset} has no image {image!r} here.")

    def add(self, ir: str | Path, vi: str | Path) -> None:
        """Explore a pair of the reader's own, two files, as the set "your own".

        Raises FusionError for files that are no images, or of two sizes.
        """
        pair = FilePair(Path(vi).stem, Path(ir), Path(vi))
        images.read_pair(pair.ir_path, pair.vi_path)  # now, not at the first look
        own = [other for other in self.scenes.get(YOURS, ()) if other.name != pair.name]
        self.scenes[YOURS] = (*own, pair)

    def table(self, seen: Seen | None = None) -> pd.DataFrame:
        """The metrics of every network on this pair, and the published means of its set."""
        seen = seen or self.seen
        pair = self.pair(seen.dataset, seen.image)
        scenes = self.scenes[seen.dataset]
        among = scenes if isinstance(scenes, PairSet) else None
        table = self.views.table(pair, seen.protocol, self.convention, among)
        for row, means in self.published.get(seen.dataset, {}).items():
            table.loc[f"{row}, published mean of the set"] = [means.get(name) for name in table]
        return table

    def picture(self, seen: Seen, side: str) -> bytes:
        """The PNG of one side, "left" or "right", kept once it was made."""
        name = getattr(seen, side)
        pair = self.pair(seen.dataset, seen.image)

        def make() -> bytes:
            view = images.to_uint8(self.views.view(name, pair, seen.protocol))
            return png_of_array(view[0] if len(view) == 1 else view.transpose(1, 2, 0))

        return kept(self._pictures, (seen.dataset, pair.digest, name, seen.protocol), make)

    def figure(
        self,
        dataset: str,
        image: str,
        left: str = INFRARED,
        right: str = VISIBLE,
        protocol: str = "released",
        position: float = 0.5,
        box: Box = (0.5, 0.5, 0.22),
    ) -> Figure:
        """Both views as the curtain divides them, and the box enlarged in both. Args: as `Seen`."""
        pair = self.pair(dataset, image)
        sides = [self.views.view(name, pair, protocol) for name in (left, right)]
        sides = [side.expand(3, -1, -1).permute(1, 2, 0).clamp(0, 1).numpy() for side in sides]
        height, width = sides[0].shape[:2]
        cut = round(position * width)
        whole = sides[1].copy()
        whole[:, :cut] = sides[0][:, :cut]
        set_style()
        figure, axes = plt.subplot_mosaic(
            "AAAB;AAAC", figsize=(7.6, 4.4 * height / width + 0.6), layout="constrained"
        )
        top, start, side = pixels(box, height, width)
        axes["A"].imshow(whole)
        axes["A"].axvline(cut, color="white", lw=1.5)
        frame = Rectangle((start, top), side, side, fill=False, ec=BOX_COLOURS[0], lw=1.5)
        axes["A"].add_patch(frame)
        for place, name, shown in zip("BC", (left, right), sides, strict=True):
            axes[place].imshow(shown[top : top + side, start : start + side])
            axes[place].set_title(name, fontsize="small")
        for axis in axes.values():
            axis.set_axis_off()
        axes["A"].set_title(f"{left} | {right}", fontsize="small")
        set_caption(figure, f"{dataset} {image}, {protocol}")
        return figure

    def static(self) -> Figure:
        """All networks on the first pair: what stands where nobody can drag."""
        seen = self.seen
        pair = self.pair(seen.dataset, seen.image)
        shown = {INFRARED: pair.ir, VISIBLE: pair.vi_rgb}
        shown |= {name: self.views.fused(name, pair, seen.protocol) for name in self.views.networks}
        caption = f"{seen.dataset} {seen.image}, {seen.protocol}"
        return panels(shown, caption, telling_boxes(pair.ir, pair.vi))

    def widget(self, save_to: Path | None = None):
        """Menus, the curtain, the metrics: an ipywidgets box.

        save_to: folder for the pictures that the reader saves; default the
            working folder.
        """
        from fusionlib.report.explorer_widget import controls

        return controls(self, save_to or Path())


def explore(
    scenes: Mapping[str, PairSet],
    networks: Mapping[str, Run | nn.Module],
    path: Path | None = None,
    protocol: str = "released",
    convention: str = "bsp",
    published: Published | None = None,
) -> Explorer:
    """Show an explorer where somebody can use it, a figure elsewhere; keep the figure in `path`.

    Args: as `Explorer`; path: the picture, None writes none.

    Returns the explorer, whose `figure` draws what was seen again.
    """
    from IPython.display import display

    explorer = Explorer(scenes, networks, protocol, convention, published)
    figure = save_figure(explorer.static(), path)
    display(explorer.widget() if live_notebook() else figure)
    return explorer


def look_closer(
    tests: Sequence[PairSet],
    networks: Mapping[str, Run | nn.Module],
    protocol: str = "released",
    convention: str = "bsp",
    published: Published | None = None,
) -> Explorer | None:
    """Show an explorer below a table's panels to a reader who sits before the notebook.

    Of runs those that are in the store are shown. Where there is none (the
    table was made again from kept rows), and where nobody could drag a
    curtain, there is nothing to add to the panels.

    Args:
        tests: the test sets.
        networks, protocol, convention, published: as `Explorer`.

    Returns the explorer, or None where there is none.
    """
    from IPython.display import display

    here = {
        name: network
        for name, network in networks.items()
        if not isinstance(network, Run) or network.finished
    }
    if not here or not live_notebook():
        return None
    scenes = {test.dataset: test for test in tests}
    explorer = Explorer(scenes, here, protocol, convention, published)
    display(explorer.widget())
    return explorer
