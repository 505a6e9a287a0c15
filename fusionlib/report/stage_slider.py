"""A slider over the stages of networks: some of a stage's maps, and its receptive fields."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from fusionlib.data import Pair
from fusionlib.models.receptive import extent, side_of
from fusionlib.models.stages import Stage, tapped
from fusionlib.progress import progress
from fusionlib.report.live import live_or_still
from fusionlib.report.receptive_figure import draw_channels, draw_field
from fusionlib.report.redraw import png_of
from fusionlib.report.style import set_caption, set_style


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
    draw_channels(channels.flat, made)
    shape = "×".join(map(str, stage.shape))
    left.suptitle(
        f"{stage.name}: {shape}, {stage.parameters:,} weights, {stage.macs / 1e6:,.1f} M MAC"
    )
    axes = right.subplots(1, len(effective), squeeze=False)[0]
    for axis, (title, field) in zip(axes, effective.items(), strict=True):
        shown = draw_field(axis, field, local)
        side = side_of(field, local)
        axis.set_title(f"{title}: 90 % in {side}×{side}", fontsize="small")
    rows, columns = extent(local)
    right.colorbar(shown, ax=axes, orientation="horizontal", label="log$_{10}$ of the largest")
    right.suptitle(f"local field {rows}×{columns} (dashed)")
    set_caption(figure, caption)
    return figure


def play_stages(
    networks: Sequence[str],
    stages: Sequence[str],
    draw: Callable[[str, str], Figure],
    grid: Figure,
    path: Path,
) -> Figure | None:
    """A menu of networks and a slider over their stages in a live notebook; `grid` elsewhere.

    Args:
        networks, stages: names; each network has all stages.
        draw: makes the figure of a network's stage. All are drawn before the
            slider appears, so that it answers at once.
        grid, path: as `live_or_still`.
    """
    return live_or_still(grid, path, lambda: _controls(networks, stages, draw))


def _controls(networks: Sequence[str], stages: Sequence[str], draw: Callable[[str, str], Figure]):
    import ipywidgets

    pictures = {
        (network, name): png_of(draw(network, name))
        for network in networks
        for name in progress(stages, f"draw the {network}")
    }
    menu = ipywidgets.Dropdown(options=networks, description="network")
    slider = ipywidgets.SelectionSlider(options=stages, description="stage")
    shown = ipywidgets.Image(format="png")
    shown.layout.max_width = "100%"

    def show(_=None) -> None:
        shown.value = pictures[menu.value, slider.value]

    for control in (menu, slider):
        control.observe(show, "value")
    show()
    return ipywidgets.VBox([ipywidgets.HBox([menu, slider]), shown])
