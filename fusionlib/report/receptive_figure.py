"""How far each stage looks, and what it holds: a table and figures."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor

from fusionlib.models.receptive import extent, share_outside, side_of
from fusionlib.models.stages import Stage
from fusionlib.report.style import set_caption, set_style

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
    first = next(iter(effective.values()))
    names, gap = list(first), 4
    window = min(window, *first[names[0]].shape)
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
        draw_channels(line, made)
        line[0].set_ylabel(f"{name}\n{'×'.join(map(str, made.shape[1:]))}", fontsize="small")
    set_caption(figure, caption)
    return figure


def judge_panels(
    images: Mapping[str, Tensor], fields: Mapping[str, Tensor], caption: str
) -> Figure:
    """What a discriminator is shown, and which of its pixels move its number.

    Args:
        images: title -> (1, P, P) in [0, 1], drawn from black to the brightest of all.
        fields: title -> as `receptive.judged_field`, on the scale of its largest value.
        caption: stands below.
    """
    set_style()
    count = len(images) + len(fields)
    figure, axes = plt.subplots(1, count, figsize=(2.4 * count, 3.1), layout="constrained")
    brightest = max(image.max().item() for image in images.values())
    for axis, (title, image) in zip(axes, images.items()):
        axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=brightest)
        axis.set(xticks=[], yticks=[], title=title)
    for axis, (title, field) in zip(axes[len(images) :], fields.items(), strict=True):
        shown = draw_field(axis, field, None, len(field))
        axis.set_title(title)
    figure.colorbar(shown, ax=axes, label="log$_{10}$ of the largest", shrink=0.7)
    set_caption(figure, caption)
    return figure


def draw_field(axis: Axes, field: Tensor, local: Tensor | None, window: int = 64) -> AxesImage:
    """The middle of an effective field, and the box of its local one where there is one."""
    window = min(window, len(field))
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


def draw_channels(axes: Iterable[Axes], made: Tensor) -> None:
    """As many channels of (1, C, H, W) as there are axes: those that vary most."""
    axes = list(axes)
    maps = made[0]
    spread = maps.flatten(1).std(1)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    for axis, channel in zip(axes, spread.argsort(descending=True).tolist()):
        low, high = np.quantile(maps[channel].numpy(), (0.01, 0.99))
        axis.imshow(maps[channel].numpy(), cmap="gray", vmin=low, vmax=high)
        axis.set_title(f"channel {channel}", fontsize="x-small", pad=2)
