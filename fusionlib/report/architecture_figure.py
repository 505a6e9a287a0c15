"""A network as a diagram: a box a stage, drawn from what was seen while it ran."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from fusionlib.models.stages import SOURCES, Stage
from fusionlib.report.style import set_caption, set_style

_COLOURS = "YlGnBu"
_TALL = 0.7  # of a map at full size
_COLUMNS = {"E1": 1, "E2": 2, "E3": 3, "F1": 4, "F2": 4, "F3": 4, "R3": 5, "R2": 6, "R1": 7}
_ROW = 1.45  # from one scale to the next


def architecture(stages: Sequence[Stage], side: int, caption: str, inputs: int = 2) -> Figure:
    """Draw a network: maps as boxes, as high as they are large and wider for more channels.

    Args:
        stages: as `models.stages.stages` gives them.
        side: of the square input, in pixels.
        caption: stands below.
        inputs: channels that enter: 2 for a pair, 1 for a discriminator's image.

    A box's colour is the stage's share of the work. Arrows are what enters a
    stage; those that pass another stage by are curved and dotted.
    """
    set_style()
    columns = {stage.name: _COLUMNS.get(stage.name, k) for k, stage in enumerate(stages, 1)}
    sources = Stage(SOURCES, (), (inputs, side, side), 0, 0)
    places = {s.name: (columns.get(s.name, 0), -_ROW * _scale(s, side)) for s in (sources, *stages)}
    rows = 1 - min(y for _, y in places.values()) / _ROW
    figure, axis = plt.subplots(figsize=(11, 1.2 + 1.6 * rows), layout="constrained")
    total = sum(stage.macs for stage in stages)
    shares = {stage.name: 100 * stage.macs / total for stage in (sources, *stages)}
    colours = ScalarMappable(Normalize(0, max(shares.values())), _COLOURS)
    boxes = {
        stage.name: _box(axis, places[stage.name], stage, side, colours.to_rgba(shares[stage.name]))
        for stage in (sources, *stages)
    }
    for stage in stages:
        for read in stage.reads:
            _arrow(axis, boxes, read, stage.name)
    axis.set(xlim=(-0.6, max(columns.values()) + 0.6), ylim=(-_ROW * (rows - 1) - 0.85, 1.05))
    axis.set_axis_off()
    figure.colorbar(colours, ax=axis, label="share of the work, %", shrink=0.8, pad=0.01)
    set_caption(figure, caption)
    return figure


def _scale(stage: Stage, side: int) -> int:
    """0 at full size, 1 at half, 2 at a quarter; a number stands where images do."""
    return round(np.log2(side / stage.shape[-1])) if len(stage.shape) == 3 else 0


def _box(axis: Axes, place: tuple[float, float], stage: Stage, side: int, colour) -> Rectangle:
    x, y = place
    channels, *size = stage.shape
    high = _TALL * (size[0] / side) ** 0.5 if size else 0.12
    wide = 0.1 + 0.05 * channels**0.5
    given = stage.name == SOURCES
    look = {"fc": "white" if given else colour, "ec": "0.25", "lw": 1.2}
    box = axis.add_patch(Rectangle((x - wide / 2, y - high / 2), wide, high, zorder=3, **look))
    name = "image" if given and channels == 1 else stage.name
    behind = {"bbox": {"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.85}, "zorder": 4}
    up = y + high / 2 + 0.05
    axis.text(x, up, name, ha="center", va="bottom", fontweight="bold", **behind)
    told = "×".join(map(str, stage.shape)) if size else "a number"
    if not given:
        told += f"\n{stage.parameters:,} weights\n{stage.macs / 1e6:,.1f} M MAC"
    look = {"fontsize": "x-small", "linespacing": 1.1, **behind}
    axis.text(x, y - high / 2 - 0.05, told, ha="center", va="top", **look)
    return box


def _arrow(axis: Axes, boxes: dict[str, Rectangle], read: str, name: str) -> None:
    start, end = (np.array(boxes[stage].get_center()) for stage in (read, name))
    level = {k: box.get_center()[0] for k, box in boxes.items() if box.get_center()[1] == end[1]}
    passes = start[1] == end[1] and any(start[0] < x < end[0] for x in level.values())
    bend = {"connectionstyle": "arc3,rad=-0.25", "ls": ":"} if passes else {"ls": "-"}
    ends = {"patchA": boxes[read], "patchB": boxes[name], "shrinkA": 1, "shrinkB": 1}
    line = {"arrowstyle": "-|>", "mutation_scale": 11, "color": "0.45", "lw": 1.3}
    axis.add_patch(FancyArrowPatch(start, end, zorder=2, **line, **ends, **bend))
