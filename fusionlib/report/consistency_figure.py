"""Figures that explain cross-segmentation consistency: two labellings of a patch, who wins."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.data import Pair
from fusionlib.losses.consistency import pseudo_labels
from fusionlib.report.panels import PANEL_INCHES, pixels, telling_boxes
from fusionlib.report.segment_panels import class_colours
from fusionlib.report.style import set_caption, set_style


def warmest_patch(pair: Pair, side: int) -> tuple[Tensor, Tensor]:
    """The patch around the warmest spot that the visible image does not show.

    side: in pixels; no more than the image has.

    Returns ir and vi, (1, 3, side, side) in [0, 1], the infrared repeated.
    """
    height, width = pair.ir.shape[1:]
    (x, y, _), _ = telling_boxes(pair.ir, pair.vi)
    top, left, side = pixels((x, y, side / height), height, width)
    rows, columns = slice(top, top + side), slice(left, left + side)
    ir, vi = pair.ir[:, rows, columns], pair.vi_rgb[:, rows, columns]
    return ir.expand(3, -1, -1)[None], vi[None]


def consistency_panels(fused: Tensor, a: Tensor, b: Tensor, caption: str) -> Figure:
    """Two branches' classes and confidences, and the label that both learn from.

    Args:
        fused: (3, H, W) in [0, 1].
        a, b: logits (n, H, W) of the features and of the fused image.
        caption: stands below.
    """
    set_style()
    labels, from_a = pseudo_labels(a[None], b[None])
    (sure_a, class_a), (sure_b, class_b) = (x.softmax(0).max(0) for x in (a, b))
    colours = class_colours(len(a))
    shares = {"vmin": 0, "vmax": 1}
    confidence = {"cmap": "viridis", "vmin": 1 / len(a), "vmax": 1}
    views = {
        "fused image": (fused.clamp(0, 1).permute(1, 2, 0), {}),
        "A: classes of the features": (colours[class_a], {}),
        "B: classes of the image": (colours[class_b], {}),
        "pseudo label, Eq. 4": (colours[labels[0]], {}),
        "A's confidence": (sure_a, confidence),
        "B's confidence": (sure_b, confidence),
        "A labels (yellow) or B": (from_a[0].float(), shares | {"cmap": "cividis"}),
        "they agree (white)": (
            (class_a == class_b).float(),
            {"cmap": "gray", "vmin": 0, "vmax": 1},
        ),
    }
    size = 4 * PANEL_INCHES * 0.9, 2 * PANEL_INCHES + 0.3
    figure, axes = plt.subplots(2, 4, figsize=size, layout="constrained")
    for axis, (title, (image, look)) in zip(axes.flat, views.items(), strict=True):
        drawn = axis.imshow(image, **look)
        axis.set_title(title, fontsize="small", pad=3)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(lw=0.5, color="0.6")  # or a white panel would not be seen
        if look == confidence:
            figure.colorbar(drawn, ax=axis, location="bottom", shrink=0.7)
    set_caption(figure, caption)
    return figure


def lesson_curves(course: pd.DataFrame, caption: str) -> Figure:
    """Losses, weight and agreement of a short training on one patch.

    course: columns step, fusion, csc, omega, agreement, classes.
    """
    set_style()
    titles = {
        "fusion": "fusion loss, Eq. 3",
        "csc": "consistency loss, Eq. 6",
        "omega": "its weight, Eq. 7",
        "agreement": "pixels agreed on",
        "classes": "classes in use",
    }
    figure, axes = plt.subplots(1, len(titles), figsize=(12, 2.6), layout="constrained")
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        axis.plot(course["step"], course[name], lw=1.3)
        axis.set_title(title, fontsize="small")
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
