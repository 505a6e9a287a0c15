"""How far each stage looks, and what it holds: a table, figures, and a slider over the stages."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from fusionlib.data import Pair
from fusionlib.models.receptive import extent, share_outside, side_of
from fusionlib.models.stages import Stage, tapped
from fusionlib.progress import live_notebook, progress
from fusionlib.report.style import save_figure, set_caption, set_style

Fields = Mapping[str, Tensor]  # stage -> (H, W)
DECADES = 4  # below a field's largest value
_LOCAL = "#ff9e4a"  # the boxes of local fields


def stage_table(
    stages: Sequence[Stage], local: Fields, effective: Mapping[str, Fields], share: float = 0.9
) -> pd.DataFrame:
    """What was counted and measured of each stage: a row a stage.

    Args:
        stages: as `models.stages.stages` gives them.
        local: as `receptive.local_fields`.
        effective: title of some weights, such as "trained" -> their
            `receptive.effective_fields`.
        share: of an effective field inside the local one, whose square is told.

    Returns stage, channels, size, weights, macs, rows and columns (of the local
    field) and, a column for each title, "side, TITLE" and "outside, TITLE":
    the share of the effective field that lies outside the local one.
    """
    rows = []
    for stage in stages:
        channels, height, _ = stage.shape
        high, wide = extent(local[stage.name])
        row = {"stage": stage.name, "channels": channels, "size": height}
        row |= {"weights": stage.parameters, "macs": stage.macs, "rows": high, "columns": wide}
        for title, fields in effective.items():
            row[f"side, {title}"] = side_of(fields[stage.name], local[stage.name], share)
            row[f"outside, {title}"] = share_outside(fields[stage.name], local[stage.name])
        rows.append(row)
    return pd.DataFrame(rows)


def field_grid(
    effective: Mapping[str, Fields], local: Mapping[str, Fields], caption: str, window: int = 64
) -> Figure:
    """Effective fields: a line a network and its weights, a column a stage.

    Args:
        effective: title -> its fields; titles begin with a key of `local`.
        local: network -> its local fields, drawn as dashed boxes.
        caption: stands below.
        window: side of what is shown around the centre, in pixels.
    """
    set_style()
    names, gap = list(next(iter(effective.values()))), 4
    step = window + gap
    # One picture of all fields: many small axes would take their time.
    picture = np.full((step * len(effective) - gap, step * len(names) - gap), np.nan)
    figure, axis = plt.subplots(
        figsize=(1.15 * len(names) + 1.7, 1.15 * len(effective) + 0.8), layout="constrained"
    )
    for row, (title, fields) in enumerate(effective.items()):
        boxes = next(local[network] for network in local if title.startswith(network))
        for column, name in enumerate(names):
            top, left = step * row, step * column
            picture[top : top + window, left : left + window] = _logs(fields[name], window)
            axis.add_patch(_box(boxes[name], window, top, left))
    shown = axis.imshow(picture, cmap="magma", vmin=-DECADES, vmax=0, interpolation="nearest")
    half = window / 2
    axis.set_xticks([step * k + half for k in range(len(names))], names, fontweight="bold")
    axis.set_yticks([step * k + half for k in range(len(effective))],
                    [title.replace(", ", "\n") for title in effective])  # fmt: skip
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    figure.colorbar(shown, ax=axis, label="log$_{10}$ of the share of the largest", shrink=0.7)
    set_caption(figure, caption)
    return figure


def channel_grid(maps: Mapping[str, Tensor], caption: str, most: int = 5) -> Figure:
    """Feature maps: a line a name, the channels that vary most.

    Args:
        maps: name -> (1, C, H, W), any sizes.
        caption: stands below.
        most: channels of each.
    """
    set_style()
    height, width = next(iter(maps.values())).shape[-2:]
    figure, axes = plt.subplots(
        len(maps), most, figsize=(2 * most + 0.4, (2 * height / width + 0.25) * len(maps) + 0.4),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, (name, made) in zip(axes, maps.items(), strict=True):
        _draw_channels(line, made)
        line[0].set_ylabel(f"{name}\n{'×'.join(map(str, made.shape[1:]))}", fontsize="small")
    set_caption(figure, caption)
    return figure


def judge_panels(
    images: Mapping[str, Tensor], fields: Mapping[str, Tensor], caption: str
) -> Figure:
    """What a discriminator is shown, and which of its pixels move its number.

    Args:
        images: title -> (1, P, P) in [0, 1].
        fields: title -> as `receptive.judged_field`, on the scale of its largest value.
        caption: stands below.
    """
    set_style()
    count = len(images) + len(fields)
    figure, axes = plt.subplots(1, count, figsize=(2.4 * count, 3.1), layout="constrained")
    for axis, (title, image) in zip(axes, images.items()):
        axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], title=title)
    for axis, (title, field) in zip(axes[len(images) :], fields.items(), strict=True):
        shown = _draw_field(axis, field, None, len(field))
        axis.set_title(title)
    figure.colorbar(shown, ax=axes, label="log$_{10}$ of the largest", shrink=0.7)
    set_caption(figure, caption)
    return figure


def maps_of(network: nn.Module, pair: Pair) -> dict[str, Tensor]:
    """What every stage gives of a pair: stage -> (1, C, H, W); its size a multiple of 4."""
    height, width = (side // 4 * 4 for side in pair.ir.shape[-2:])
    ir, vi = (image[None, :, :height, :width] for image in (pair.ir, pair.vi))
    with torch.no_grad(), tapped(network) as given:
        network(ir, vi)
    return dict(given)


def stage_picture(
    stage: Stage, made: Tensor, local: Tensor, effective: Mapping[str, Tensor], caption: str
) -> Figure:
    """One stage: some of its channels at the left, its fields at the right."""
    set_style()
    figure = Figure(figsize=(11, 3.9), dpi=100, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1.15])
    channels = left.subplots(2, 3)
    _draw_channels(channels.flat, made)
    shape = "×".join(map(str, stage.shape))
    left.suptitle(
        f"{stage.name}: {shape}, {stage.parameters:,} weights, {stage.macs / 1e6:,.1f} M MAC"
    )
    axes = right.subplots(1, len(effective), squeeze=False)[0]
    for axis, (title, field) in zip(axes, effective.items(), strict=True):
        shown = _draw_field(axis, field, local, min(64, len(field)))
        side = side_of(field, local)
        axis.set_title(f"{title}: 90 % in {side}×{side}", fontsize="small")
    rows, columns = extent(local)
    right.colorbar(shown, ax=axes, orientation="horizontal", label="log$_{10}$ of the largest")
    right.suptitle(f"local field {rows}×{columns} (dashed)")
    set_caption(figure, caption)
    return figure


def play_stages(
    stages: Mapping[str, Sequence[str]],
    draw: Callable[[str, str], Figure],
    grid: Figure,
    path: Path,
):
    """A menu of networks and a slider over their stages in a live notebook; `grid` elsewhere.

    Args:
        stages: network -> names of its stages.
        draw: makes the figure of a network's stage. All are drawn before the
            slider appears, so that it answers at once.
        grid: what stands where a slider would be dead; kept in `path`.
    """
    save_figure(grid, path)
    if not live_notebook():
        return grid
    import ipywidgets

    pictures = {
        (network, name): png_of(draw(network, name))
        for network, names in stages.items()
        for name in progress(names, f"draw the {network}")
    }
    menu = ipywidgets.Dropdown(options=list(stages), description="network")
    slider = ipywidgets.SelectionSlider(options=stages[menu.value], description="stage")
    shown = ipywidgets.Image(format="png")
    shown.layout.max_width = "100%"

    def show(_=None) -> None:
        shown.value = pictures[menu.value, slider.value]

    for control in (menu, slider):
        control.observe(show, "value")
    show()
    return ipywidgets.VBox([ipywidgets.HBox([menu, slider]), shown])


def png_of(figure: Figure) -> bytes:
    """A figure, drawn."""
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, pil_kwargs={"compress_level": 1})
    return content.getvalue()


def _draw_field(axis: Axes, field: Tensor, local: Tensor | None, window: int) -> AxesImage:
    look = {"cmap": "magma", "vmin": -DECADES, "vmax": 0, "interpolation": "nearest"}
    shown = axis.imshow(_logs(field, window), **look)
    if local is not None:
        axis.add_patch(_box(local, window))
    axis.set(xticks=[], yticks=[])
    return shown


def _logs(field: Tensor, window: int) -> np.ndarray:
    """The middle of a field, as powers of ten of its largest value."""
    top, left = ((side - window) // 2 for side in field.shape)
    part = field[top : top + window, left : left + window] / field.max()
    return part.clamp_min(10.0 ** -(DECADES + 2)).log10().numpy()


def _box(local: Tensor, window: int, down: int = 0, across: int = 0) -> Rectangle:
    """The box around a local field, in a window that lies so far down and across."""
    top, left = ((side - window) // 2 for side in local.shape)
    first = [local.any(1 - d).nonzero().min().item() for d in (0, 1)]
    corner = across + first[1] - left - 0.5, down + first[0] - top - 0.5
    height, width = extent(local)
    return Rectangle(corner, width, height, fill=False, ec=_LOCAL, ls="--", lw=1.2)


def _draw_channels(axes, made: Tensor) -> None:
    axes = list(axes)
    maps = made[0]
    spread = maps.flatten(1).std(1)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    for axis, channel in zip(axes, spread.argsort(descending=True).tolist()):
        low, high = np.quantile(maps[channel].numpy(), (0.01, 0.99))
        axis.imshow(maps[channel].numpy(), cmap="gray", vmin=low, vmax=high)
        axis.set_title(f"channel {channel}", fontsize="x-small", pad=2)
