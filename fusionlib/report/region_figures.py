"""Figures of routed regions: who goes to which expert, who attends to whom, and over a training."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from fusionlib.models.region_attention import Routing
from fusionlib.models.regionfuse import ROUNDS
from fusionlib.report.panels import PANEL_INCHES
from fusionlib.report.style import set_caption, set_style


def region_grid(image: Tensor, region: int, caption: str) -> Figure:
    """An image (1, H, W) in [0, 1] with the borders of its regions."""
    set_style()
    height, width = image.shape[1:]
    figure, axis = plt.subplots(figsize=(5, 5 * height / width + 0.3), layout="constrained")
    axis.imshow(image[0], cmap="gray", vmin=0, vmax=1)
    for place in range(0, width + 1, region):
        axis.axvline(place - 0.5, color="#ffd000", lw=0.6)
    for place in range(0, height + 1, region):
        axis.axhline(place - 0.5, color="#ffd000", lw=0.6)
    axis.set_axis_off()
    set_caption(figure, caption)
    return figure


def expert_maps(
    image: Tensor, routing: Routing, rows: int, columns: int, region: int, caption: str
) -> Figure:
    """Which share of a region's channels goes to each expert, a panel an expert.

    Args:
        image: (1, H, W) in [0, 1], what was routed.
        routing: of one image.
        rows, columns: regions; the last ones may reach beyond the image.
        region: their side, in pixels.
        caption: stands below.
    """
    set_style()
    experts = routing.chosen.shape[-1]
    sent = routing.chosen[0].float().view(-1, rows, columns, experts).mean(0)
    even = routing.chosen[0, 0].float().mean().item()  # K / E
    reach = max((sent - even).abs().max().item(), 0.01)
    height, width = image.shape[1:]
    figure, axes = plt.subplots(
        1, experts + 1, figsize=(PANEL_INCHES * (experts + 1), 1.9), layout="constrained"
    )
    axes[0].imshow(image[0], cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
    axes[0].set_title("image", fontsize="small")
    extent, limits = (0, columns * region, rows * region, 0), (even - reach, even + reach)
    for expert, axis in enumerate(axes[1:]):
        drawn = axis.imshow(sent[..., expert], cmap="PuOr", clim=limits, extent=extent)
        axis.set_title(f"expert {expert}", fontsize="small")
    for axis in axes:
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.set_axis_off()
    figure.colorbar(drawn, ax=axes[1:], shrink=0.8, label="share of channels")
    set_caption(figure, f"white: an even share, {even:.2g}; {caption}")
    return figure


def attention_map(
    image: Tensor, weights: Tensor, token: int, rows: int, columns: int, region: int, caption: str
) -> Figure:
    """Where one token looks: the weights that it gives, added up over channels.

    Args:
        image: (1, H, W) in [0, 1].
        weights: (N,), of the token to all tokens; they add up to 1.
        token: which one; its region is framed.
        rows, columns: regions; the last ones may reach beyond the image.
        region: their side, in pixels.
        caption: stands below.
    """
    set_style()
    by_region = weights.view(-1, rows, columns).sum(0).numpy()
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.7), layout="constrained")
    height, width = image.shape[1:]
    left.imshow(image[0], cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
    extent = (0, columns * region, rows * region, 0)
    drawn = right.imshow(by_region, cmap="magma", vmin=0, extent=extent)
    row, column = divmod(token % (rows * columns), columns)
    for axis in (left, right):
        frame = plt.Rectangle(
            (column * region, row * region), region, region, fill=False, ec="#2ecc40", lw=1.5
        )
        axis.add_patch(frame)
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.set_axis_off()
    left.set_title("a token of this region ...", fontsize="small")
    right.set_title("... attends to these", fontsize="small")
    figure.colorbar(drawn, ax=right, shrink=0.8)
    set_caption(figure, caption)
    return figure


def allocation(courses: pd.DataFrame, load_epochs: int, caption: str) -> Figure:
    """The share of the tokens of each expert over the epochs, stacked; Figure 5.

    Args:
        courses: columns mode, epoch and round_1_expert_0, ..., as histories
            hold them, epochs from 1 on; a row of panels a mode, a column a
            round; NaN where a mode has fewer experts.
        load_epochs: those with the load-balancing loss; a line ends them.
        caption: stands below.
    """
    set_style()
    modes = list(dict.fromkeys(courses["mode"]))
    figure, axes = plt.subplots(
        len(modes), ROUNDS, figsize=(3.2 * ROUNDS, 1.7 * len(modes) + 0.6),
        squeeze=False, sharex=True, sharey=True, layout="constrained",
    )  # fmt: skip
    for (row, mode), column in product(enumerate(modes), range(ROUNDS)):
        axis, number = axes[row, column], column + 1
        shares = courses[courses["mode"] == mode].filter(regex=f"^(epoch|round_{number}_)")
        shares = shares.groupby("epoch").mean().dropna(axis=1)
        colours = sns.color_palette("colorblind", shares.shape[1])
        axis.stackplot(shares.index, shares.T.to_numpy(), colors=colours)
        for height in np.arange(1, shares.shape[1]) / shares.shape[1]:
            axis.axhline(height, color="white", lw=0.8, ls=":")
        axis.axvline(load_epochs + 0.5, color="black", lw=1)
        axis.set(title=f"{mode}, round {number}", ylim=(0, 1))
        axis.set_xlim(shares.index.min(), max(shares.index.max(), load_epochs + 1))
        if row == len(modes) - 1:
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column == 0:
            axis.set_ylabel("share of tokens")
    set_caption(figure, f"black: the load loss ends; dotted: equal shares; {caption}")
    return figure


@torch.inference_mode()
def weights_of(q: Tensor, k: Tensor, routing: Routing, token: int) -> Tensor:
    """How a token weighs all tokens, over its experts: (N,), sums to 1 where its weights do.

    q, k: (1, N, R^2).
    """
    scores = (q[0, token] @ k[0].mT) / q.shape[2] ** 0.5
    found = torch.zeros_like(scores)
    for expert, weight in enumerate(routing.weights[0, token]):
        if weight > 0:
            own = routing.chosen[0, :, expert]
            found += weight * scores.masked_fill(~own, -torch.inf).softmax(0)
    return found


def decided_by(routing: Routing, rows: int, columns: int) -> dict[str, float]:
    """Whether a token's channel or its region decides who gets it.

    Returns shares of the variance of `chosen` over an image's tokens: channel,
    of the means of each channel; region, of those of each region; both, the
    rest, which takes the two together. NaN where all tokens go the same way.

    Args:
        routing: of one image.
        rows, columns: regions.
    """
    sent = routing.chosen[0].double().view(-1, rows * columns, routing.chosen.shape[-1])
    total = sent.var((0, 1), correction=0).sum()
    found = {
        name: (sent.mean(others).var(0, correction=0).sum() / total).item()
        for name, others in (("channel", 1), ("region", 0))
    }
    return {**found, "both": round(1 - sum(found.values()), 9)}
