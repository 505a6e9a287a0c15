"""Figures of the adaptive loss: its weights as maps, and where a share is no share any more."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from fusionlib.losses.bsp import mix, weight
from fusionlib.report.loss_maps import TermMaps
from fusionlib.report.style import set_caption, set_style

TITLES = {
    "intensity": ("infrared $I$", "visible $V$", "$P_{ir}$", "$|O-$mixture$|$"),
    "gradient": ("$\\nabla I$", "$\\nabla V$", "$G_{ir}$", "$|\\nabla O-$mixture$|$"),
    "ssim": ("SSIM$(I,O)$", "SSIM$(V,O)$", "$S_{ir}$", "$|1-$mixture$|$"),
}


def maps_figure(maps: dict[str, TermMaps], caption: str = "") -> Figure:
    """A line a term: what it compares, the infrared's weight, and the residual.

    Args:
        maps: of one scene, as `loss_maps.term_maps` returns them.
        caption: stands below; it names the data set.

    Weights are red where the infrared decides and blue where the visible
    does; yellow and black ones lie above 1 and below 0.
    """
    set_style()
    height, width = next(iter(maps.values())).fused.shape[-2:]
    size = (10, 0.5 + len(maps) * (2.2 * height / width + 0.35))
    figure, axes = plt.subplots(len(maps), 4, figsize=size, squeeze=False, layout="constrained")
    shares = plt.get_cmap("RdBu_r").with_extremes(under="black", over="#ffd000")
    for line, (term, m) in zip(axes, maps.items(), strict=True):
        views = m.infrared, m.visible, m.w_infrared, m.residual
        # SSIM goes down to -1; grey levels and gradients begin at 0.
        signed = term == "ssim"
        high = 1 if signed else max(m.infrared.max().item(), m.visible.max().item())
        looks = [dict(cmap="gray", vmin=-1 if signed else 0, vmax=high)] * 2
        looks += [dict(cmap=shares, vmin=0, vmax=1)]
        looks += [dict(cmap="magma", vmin=0, vmax=m.residual.quantile(0.995).item())]
        for axis, title, view, look in zip(line, TITLES[term], views, looks, strict=True):
            image = axis.imshow(view[0, 0].numpy(), **look)
            axis.set_title(title, fontsize="small")
            axis.set(xticks=[], yticks=[])
            extend = "both" if signed and title == TITLES[term][2] else "neither"
            figure.colorbar(image, ax=axis, fraction=0.035, pad=0.02, extend=extend)
        line[0].set_ylabel(term)
    set_caption(figure, caption)
    return figure


def share_figure(first: float = 0.6, caption: str = "") -> Figure:
    """Eq. 2 for one SSIM of `first` against all of the other: share, and the term's residual."""
    set_style()
    other = torch.linspace(-1, 1, 2001)
    one = torch.full_like(other, first)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    curves = {left: weight(one, other), right: (1 - mix(one, other)).abs()}
    for axis, values in curves.items():
        # No line through the pole, where it changes its sign.
        broken = np.where(values.abs() < 40, values.numpy(), np.nan)
        axis.plot(other.numpy(), broken, color="#0173b2")
        axis.axvline(-first, color="0.6", lw=1, ls="--")
        axis.set_xlabel("SSIM$(V,O)$")
        axis.spines[["top", "right"]].set_visible(False)
    left.axhspan(0, 1, color="0.9", zorder=0)
    left.set(ylim=(-4, 5), ylabel="$S_{ir}$")
    left.set_title("a share only in the grey band", fontsize="small")
    right.set(ylim=(0, 5), ylabel="$|1-$mixture$|$")
    right.set_title("the residual of one window", fontsize="small")
    set_caption(figure, f"SSIM(I, O) = {first:g}. {caption}".strip())
    return figure
