"""Figures of segmentations: classes laid in colour over what a segmenter saw."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from fusionlib.data import PairSet
from fusionlib.data.labels import labels_of
from fusionlib.errors import FusionError
from fusionlib.report.panels import PANEL_INCHES, smaller
from fusionlib.report.record import stand_in
from fusionlib.report.style import COLOUR_DPI, save_figure, set_style
from fusionlib.training import Run, SegmenterSpec, open_run, scaled, shown

# Class 0 is what nobody labelled, and stays as it is. The others as in Okabe and Ito, which can
# be told apart by people who see colours otherwise, and then darker.
COLOURS = (
    None, "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#ffffff",
    "#8c5a00", "#2b6f99", "#00563f", "#8f8a1e", "#003f66", "#7f3700", "#7a4763",
)  # fmt: skip


def class_colours(count: int) -> np.ndarray:
    """RGB (count, 3) in [0, 1]; class 0 is black, and they repeat after the fifteenth."""
    names = ("#000000", *(COLOURS[1 + k % (len(COLOURS) - 1)] for k in range(count - 1)))
    return np.array([plt.matplotlib.colors.to_rgb(name) for name in names])


def overlaid(image: Tensor, classes: Tensor, count: int, strength: float = 0.6) -> np.ndarray:
    """Classes (H, W) laid over an image (1 or 3, H, W) in [0, 1]: RGB (H, W, 3)."""
    grey = image.mean(0).numpy()[..., None].repeat(3, 2)
    labels = classes.numpy()
    covered = (labels > 0)[..., None]
    return np.where(covered, (1 - strength) * grey + strength * class_colours(count)[labels], grey)


def segment_panels(
    segmenters: Mapping[str, SegmenterSpec],
    pairs: PairSet,
    caption: str,
    path: Path | None,
) -> Figure | Image:
    """The labels of one pair, and what each segmenter finds in what it is shown.

    Where a segmenter was trained elsewhere, the picture that was made there
    is shown.

    Args:
        segmenters: by the name that stands above the panel, all of one
            dataset's classes.
        pairs: a set of which the first is shown; with labels.
        caption: stands below; it names the data set.
        path: the picture; None writes none.

    Raises FusionError for a missing run without a picture.
    """
    if not segmenters:
        raise FusionError("There is no segmenter to show: see what failed before.")
    runs = {name: open_run(spec) for name, spec in segmenters.items()}
    missing = [name for name, run in runs.items() if not run.finished]
    if missing and path is not None:
        return stand_in(path, missing[0], (run.key for run in runs.values()))
    spec = next(iter(segmenters.values()))
    names = spec.classes
    truth = labels_of(pairs[0], pairs.dataset)
    drawn = {"labels": overlaid(pairs[0].vi_rgb, truth, len(names))}
    present = set(truth.unique().tolist())
    for name, run in runs.items():
        if name not in missing:
            image, found = _segmented(run, pairs)
            drawn[name] = overlaid(image, found, len(names))
            present |= set(found.unique().tolist())
    colours = class_colours(len(names))
    keys = [Patch(fc=colours[k], ec="0.4", label=names[k]) for k in sorted(present - {0})]
    return save_figure(_draw(drawn, keys, caption), path, COLOUR_DPI)


@torch.inference_mode()
def _segmented(run: Run, pairs: PairSet) -> tuple[Tensor, Tensor]:
    """What a segmenter is shown of the first pair (C, H, W), and what it finds (H, W)."""
    image = shown(run.spec.source, pairs)(pairs[0])
    logits = run.model()(scaled(image, run.spec.size)[None])[0]
    return image, scaled(logits, tuple(image.shape[1:])).argmax(0)


def _draw(drawn: Mapping[str, np.ndarray], keys: list[Patch], caption: str) -> Figure:
    set_style()
    columns = min(3, len(drawn))
    lines = -(-len(drawn) // columns)
    height, width = next(iter(drawn.values())).shape[:2]
    size = PANEL_INCHES * columns, (PANEL_INCHES * height / width + 0.3) * lines + 0.7
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (name, image) in zip(axes.flat, drawn.items(), strict=False):
        axis.imshow(smaller(image, 320))
        axis.set_title(name, fontsize="small", pad=3)
    # The caption is the legend's title: apart, both would ask for the same place.
    figure.legend(
        handles=keys,
        title=caption,
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize="x-small",
        title_fontsize="small",
    )
    return figure
