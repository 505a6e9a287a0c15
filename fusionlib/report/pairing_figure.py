"""Figure 1a: which pairs a base holds, and how many."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from fusionlib.data.base import Base
from fusionlib.pairing import PARADIGMS, relation_size
from fusionlib.report.style import PARADIGM_COLOURS, set_caption, set_style

SIZES = (2, 5, 15, 30, 60, 150, 500)


def pairing_matrix(base: Base, caption: str = "", shown: int = 5) -> Figure:
    """Some patches of a base with all pairs of them, and the counts of Eq. 15.

    A cell is one pair: the infrared patch of its line above the diagonal, the
    visible patch of its column below it. Strict pairs have the frame of SPTP,
    the others that of UPTP, and all together are APTP's. Every patch is
    stretched to its own range of grey levels, so that dark ones show.

    Args:
        base: the patches.
        caption: stands below; it names the data set.
        shown: patches a side: of as many equal parts of the base the one with
            most contrast in both images.
    """
    set_style()
    ir, vi = base.ir.numpy(), base.vi.numpy()
    count, chosen = min(len(ir), len(vi)), telling_patches(base, shown)
    ir, vi = stretched(ir[chosen]), stretched(vi[chosen])
    side = len(chosen) + 1
    figure = plt.figure(figsize=(10, 5.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    axes = left.subplots(side, side, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
    upper = np.triu(np.ones(ir.shape[1:], dtype=bool))
    for line, axis_line in enumerate(axes):
        for column, axis in enumerate(axis_line):
            axis.set(xticks=[], yticks=[])
            if line == column == 0:
                axis.axis("off")
                continue
            warm = ir[line - 1] if line else None
            seen = vi[column - 1] if column else None
            picture = warm if seen is None else seen if warm is None else None
            if picture is None:
                picture = np.where(upper, warm, seen)
                colour = PARADIGM_COLOURS["SPTP" if line == column else "UPTP"]
                axis.spines[:].set(visible=True, color=colour, linewidth=2.5)
            else:
                axis.spines[:].set(visible=False)
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            name = f"$x^{{ir}}_{{{line}}}$" if column == 0 else ""
            axis.set_ylabel(name, rotation=0, ha="right", va="center")
            axis.set_title(f"$x^{{vis}}_{{{column}}}$" if line == 0 else "", pad=3)
    _counts(right, count)
    set_caption(figure, caption)
    return figure


def telling_patches(base: Base, shown: int) -> list[int]:
    """Of so many equal parts of the base, the patch with most contrast in both images."""
    ir, vi = base.ir.numpy(), base.vi.numpy()
    count = min(len(ir), len(vi))
    contrast = ir[:count].std(axis=(1, 2)) * vi[:count].std(axis=(1, 2))
    parts = np.array_split(np.arange(count), min(shown, count))
    return [int(part[contrast[part].argmax()]) for part in parts]


def stretched(patches: np.ndarray) -> np.ndarray:
    """Patches (n, P, P), each with its own grey levels spread over [0, 1]."""
    low, high = np.percentile(patches, (1, 99), axis=(1, 2), keepdims=True)
    return ((patches - low) / np.maximum(high - low, 1e-8)).clip(0, 1)


def _counts(figure, count: int) -> None:
    """Pairs of a relation against the size of the base."""
    axis = figure.subplots()
    sizes = sorted({*SIZES, count})
    for mode, relation in PARADIGMS.items():
        # Eq. 15: N, N(N-1) and N^2.
        pairs = [relation_size(relation, n, n) for n in sizes]
        dashed = "--" if mode == "APTP" else "-"  # it lies on UPTP's line
        label = f"{mode}: {relation_size(relation, count, count):,}"
        axis.plot(sizes, pairs, dashed, marker="o", ms=4, color=PARADIGM_COLOURS[mode], label=label)
    axis.axvline(count, color="0.7", lw=1, zorder=0)
    axis.set(xscale="log", yscale="log", xlabel="patches a side, $N$", ylabel="pairs")
    axis.legend(title=f"pairs of $N$ = {count}", frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.3)
