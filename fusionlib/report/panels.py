"""Figures of images: panels side by side, with zoomed boxes as papers draw them."""

import math
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.filters import gaussian, sobel
from skimage.transform import downscale_local_mean, resize
from torch import Tensor, nn

from fusionlib.data import Pair
from fusionlib.errors import FusionError
from fusionlib.inference import fuse, fuse_in_colour
from fusionlib.report.record import stand_in
from fusionlib.report.style import COLOUR_DPI, DPI, save_figure, set_style, wrapped
from fusionlib.training import Run

BOX_COLOURS = ("#e6194b", "#ffd000", "#2ecc40")
# 320 pixels at the 150 to an inch that figures are saved with: no pixel is drawn twice.
PANEL_INCHES, TITLE_INCHES = 320 / 150, 0.28
Box = tuple[float, float, float]  # centre x, centre y, side; fractions of the image


def panels(
    images: Mapping[str, Tensor],
    caption: str,
    boxes: tuple[Box, ...] = (),
    columns: int = 4,
    width: int = 320,
) -> Figure:
    """Images of one scene under their names, each with its zoomed boxes below.

    Args:
        images: (1, H, W) or (3, H, W) in [0, 1], all of one size.
        caption: stands below; it names the data set.
        boxes: squares to enlarge, as (centre x, centre y, side), in fractions
            of the image's width, height and height.
        columns: panels a line at most; lines are filled evenly.
        width: of a panel in pixels; larger images are scaled down.
    """
    if not images:
        raise FusionError("There is no image to show: see what failed before.")
    set_style()
    shown = {name: array_of(image) for name, image in images.items()}
    height, full_width = next(iter(shown.values())).shape[:2]
    lines = math.ceil(len(shown) / columns)
    columns = math.ceil(len(shown) / lines)
    tall = height / full_width + (1 / len(boxes) if boxes else 0)
    size = (PANEL_INCHES * columns, (PANEL_INCHES * tall + TITLE_INCHES) * lines + TITLE_INCHES)
    figure = plt.figure(figsize=size)
    title = TITLE_INCHES / size[1]
    grid = figure.add_gridspec(
        lines, columns, left=0, right=1, top=1 - title, bottom=title,
        wspace=0.03, hspace=TITLE_INCHES / (PANEL_INCHES * tall),
    )  # fmt: skip
    for place, (name, image) in enumerate(shown.items()):
        parts = grid[place // columns, place % columns].subgridspec(
            2 if boxes else 1, max(1, len(boxes)), hspace=0.0, wspace=0.0,
            height_ratios=[height / full_width, 1 / len(boxes)] if boxes else None,
        )  # fmt: skip
        axis = figure.add_subplot(parts[0, :])
        # The axes count pixels of the full image, whatever size is shown.
        _draw(axis, smaller(image, width), extent=(0, full_width, height, 0))
        axis.set_title(name, fontsize="small", pad=3)
        for number, box in enumerate(boxes):
            top, left, side = pixels(box, height, full_width)
            colour = BOX_COLOURS[number % len(BOX_COLOURS)]
            axis.add_patch(Rectangle((left, top), side, side, fill=False, ec=colour))
            inset = figure.add_subplot(parts[1, number])
            crop = image[top : top + side, left : left + side]
            side_shown = width // len(boxes)
            _draw(inset, resize(crop, (side_shown, side_shown, *crop.shape[2:]), order=1))
            inset.patch.set_visible(True)
            for spine in inset.spines.values():
                spine.set(visible=True, edgecolor=colour, linewidth=1.5)
    below = wrapped(caption, size[0])
    figure.text(0.5, 0.85 * title, below, ha="center", va="top", fontsize="small")
    return figure


def telling_boxes(ir: Tensor, vi: Tensor, side: float = 0.22) -> tuple[Box, Box]:
    """Where to look: the warmest spot unseen in the visible, and its finest texture.

    Args:
        ir, vi: (1, H, W) in [0, 1].
        side: of the boxes, as a fraction of the image's height.
    """
    warm, seen = array_of(ir), array_of(vi)
    thermal, texture = warm * np.maximum(warm - seen, 0), sobel(seen)
    size = max(4, round(side * thermal.shape[0]))
    first = _best_box(gaussian(thermal, size / 3), size, None)
    second = _best_box(gaussian(texture, size / 3), size, first)
    height, width = thermal.shape
    return tuple((x / width, y / height, side) for y, x in (first, second))


def _best_box(means: np.ndarray, size: int, taken: tuple[int, int] | None) -> tuple[int, int]:
    # Centre of the best box that lies inside the image and does not touch the taken one.
    allowed = np.full(means.shape, -np.inf)
    half = size // 2 + 1
    allowed[half:-half, half:-half] = means[half:-half, half:-half]
    if taken:
        y, x = taken
        allowed[max(0, y - size) : y + size + 1, max(0, x - size) : x + size + 1] = -np.inf
    return tuple(int(v) for v in np.unravel_index(allowed.argmax(), means.shape))


def fused_panels(
    networks: Mapping[str, Run | nn.Module],
    pair: Pair,
    protocol: str,
    caption: str,
    path: Path | None,
    colour: bool = False,
) -> Figure | Image:
    """One pair, and what each network makes of it, drawn and written to `path`.

    Where a run was trained elsewhere, its weights are not here: then the
    picture that was made there is shown.

    Args:
        networks: runs and models by the name that stands above the panel.
        pair: grey infrared and visible image.
        protocol: as `fusionlib.inference.fuse` takes it.
        caption: stands below; it names the data set.
        path: the picture; None writes none and leaves missing runs out.
        colour: fuse as `fusionlib.inference.fuse_in_colour` does; a bare
            model then is one of grey images.

    Raises FusionError for a missing run without a picture.
    """
    missing = [name for name, run in networks.items() if isinstance(run, Run) and not run.finished]
    if missing and path is not None:
        keys = (run.key for run in networks.values() if isinstance(run, Run))
        return stand_in(path, missing[0], keys)
    images = {"infrared": pair.ir, "visible": pair.vi_rgb if colour else pair.vi}
    for name, network in networks.items():
        if name in missing:
            continue
        model, channels = network, 1
        if isinstance(network, Run):
            model, channels = network.model(), network.spec.channels
        if colour:
            sources = pair.ir[None], pair.vi_rgb[None]
            images[name] = fuse_in_colour(model, *sources, channels, protocol)[0]
        else:
            images[name] = fuse(model, pair.ir[None], pair.vi[None], protocol)[0]
    figure = panels(images, caption, telling_boxes(pair.ir, pair.vi))
    return save_figure(figure, path, COLOUR_DPI if colour else DPI)


def patch_grid(ir: Tensor, vi: Tensor, titles: tuple[str, ...], caption: str) -> Figure:
    """Pairs (n, 1, P, P) as columns: infrared above, visible below."""
    set_style()
    figure, axes = plt.subplots(2, len(ir), figsize=(1.25 * len(ir), 2.95), squeeze=False)
    for column, title in enumerate(titles):
        for axis, patch in zip(axes[:, column], (ir[column], vi[column]), strict=True):
            _draw(axis, array_of(patch))
        axes[0, column].set_title(title, fontsize="x-small", pad=3)
    figure.subplots_adjust(0, 0.08, 1, 0.93, wspace=0.04, hspace=0.04)
    figure.text(0.5, 0, caption, ha="center", fontsize="small")
    return figure


def array_of(image: Tensor) -> np.ndarray:
    """An image (1 or 3, H, W) in [0, 1] as matplotlib draws it: (H, W) or (H, W, 3)."""
    array = image.detach().cpu().float().clamp(0, 1).numpy()
    return array[0] if len(array) == 1 else array.transpose(1, 2, 0)


def smaller(image: np.ndarray, width: int) -> np.ndarray:
    """An image scaled down by a whole factor to about `width` pixels or more."""
    factor = max(1, image.shape[1] // width)
    # What is left over would be averaged with black.
    whole = image[: len(image) // factor * factor, : image.shape[1] // factor * factor]
    return downscale_local_mean(whole, (factor, factor, *(1,) * (image.ndim - 2)))


def pixels(box: Box, height: int, width: int) -> tuple[int, int, int]:
    """Top, left and side, in pixels, of a box on an image of height x width."""
    x, y, side = box
    side = min(max(4, round(side * height)), height, width)
    top = min(max(0, round(y * height - side / 2)), height - side)
    left = min(max(0, round(x * width - side / 2)), width - side)
    return top, left, side


def _draw(axis, image: np.ndarray, extent: tuple[float, ...] | None = None) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
