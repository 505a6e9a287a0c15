"""Is the best fused image of a mismatched pair one image? Descents from several starts."""

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import mix
from fusionlib.report.loss_maps import apart
from fusionlib.report.pairing_pull import descend
from fusionlib.report.style import set_caption, set_style


def from_starts(
    loss: BSPLoss, ir: Tensor, vi: Tensor, steps: int = 60, seed: int = 0
) -> tuple[dict[str, Tensor], dict[str, Tensor], pd.DataFrame]:
    """Descend from very different images of one pair, and compare where they come to rest.

    Args:
        loss: the objective.
        ir, vi: one pair, (1, H, W) in [0, 1].
        steps: of each descent.
        seed: of the noise that one begins with.

    Returns the starts and the rests, (1, H, W) by name, and a table with a
    row a start: `loss` at first, `rest`, and `levels`, the mean distance, in
    grey levels of 255, from the rest whose loss is lowest. One more row: Eq.
    2's mixture of intensities, which is known without a descent.
    """
    brightest = max(ir.max().item(), vi.max().item())
    noise = torch.rand(ir.shape, generator=torch.Generator().manual_seed(seed))
    starts = {
        "mean": (ir + vi) / 2,
        "visible": vi,
        "infrared": ir,
        "grey": torch.full_like(ir, brightest / 2),
        "noise": brightest * noise,
    }
    first = torch.stack(list(starts.values()))
    sources = ir.expand_as(first), vi.expand_as(first)
    rests = descend(loss, first, *sources, steps)
    before, after = (apart(loss, fused, *sources)["total"] for fused in (first, rests))
    away = 255 * (rests - rests[after.argmin()]).abs().mean((1, 2, 3))
    columns = {"loss": before, "rest": after, "levels": away}
    table = pd.DataFrame({name: values.tolist() for name, values in columns.items()}, list(starts))
    mixture = mix(ir, vi)
    here = loss(mixture[None], ir[None], vi[None])["total"].item()
    distance = 255 * (mixture - rests[after.argmin()]).abs().mean().item()
    table.loc["mixture, Eq. 2"] = [here, here, distance]
    return starts, dict(zip(starts, rests, strict=True)), table.rename_axis("start")


def rest_figure(
    starts: dict[str, Tensor], rests: dict[str, Tensor], table: pd.DataFrame, caption: str = ""
) -> Figure:
    """Starts above, where each comes to rest below. Args: as `from_starts` returns them."""
    set_style()
    size = (1.75 * len(starts), 4.4)
    figure, axes = plt.subplots(2, len(starts), figsize=size, layout="constrained")
    brightest = max(image.max().item() for image in starts.values())
    for column, name in enumerate(starts):
        row = table.loc[name]
        told = f"loss {row['loss']:.3f}", f"loss {row['rest']:.3f}\n{row['levels']:.1f} levels off"
        for axis, image, text in zip(axes[:, column], (starts[name], rests[name]), told):
            axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=brightest)
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(text, fontsize="x-small")
        axes[0, column].set_title(name, fontsize="small")
    axes[0, 0].set_ylabel("start")
    axes[1, 0].set_ylabel("at rest")
    set_caption(figure, caption)
    return figure
