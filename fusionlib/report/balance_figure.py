"""Figures of two losses trained together: their weights, and how their gradients pull."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fusionlib.report.style import set_caption, set_style

# Columns of a course -> what a panel of them is called.
SHOWN = {
    "fusion": "fusion loss",
    "omega": "weight of the consistency loss",
    "csc": "consistency loss",
    "agreement": "pixels agreed on",
    "classes": "classes in use",
}


def balance_curves(courses: pd.DataFrame, caption: str) -> Figure:
    """Five panels over the steps: both losses, omega_csc, and what the branches agree on.

    Args:
        courses: columns mode, seed, step, fusion, csc, agreement, classes,
            stage, lambda_fusion and lambda_csc, as histories hold them,
            smoothed.
        caption: stands below.

    Where the consistency loss is not yet trained (stage I), or never, its
    lines are left out. A line is the mean over seeds. Where one class is left
    in use, agreeing is no achievement.
    """
    set_style()
    figure, axes = plt.subplots(2, 3, figsize=(11, 6), sharex=True, layout="constrained")
    courses = courses.assign(omega=courses["lambda_csc"] / courses["lambda_fusion"])
    together = courses[courses["stage"] > 1]
    modes = list(courses["mode"].unique())
    look = {"x": "step", "hue": "mode", "hue_order": modes, "errorbar": None, "lw": 1.2}
    look |= {"palette": sns.color_palette("colorblind", len(modes)), "legend": False}
    for axis, (name, title) in zip(axes.flat, SHOWN.items(), strict=False):
        shown = courses if name == "fusion" else together
        if len(shown):
            sns.lineplot(shown, y=name, ax=axis, **look)
        axis.set(title=title, ylabel="$\\omega_{csc}$" if name == "omega" else None)
        axis.grid(alpha=0.3)
        axis.set_xlabel("step")
    if len(together):
        axes[0, 1].set_yscale("log")
    axes[0, 2].tick_params(labelbottom=True)  # no panel stands below it
    axes[0, 2].xaxis.label.set_visible(True)
    spare = axes[1, 2]
    spare.axis("off")
    lines = [Line2D([], [], color=colour) for colour in look["palette"]]
    spare.legend(lines, modes, loc="center left", frameon=False)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure


def pull_panels(pulled: pd.DataFrame, caption: str) -> Figure:
    """The projection coefficient over the epochs, the cosines, and the mean angle drawn.

    Args:
        pulled: what `experiments.ssvif_gradients.pulls` returned.
        caption: stands below.

    The last panel shows both gradients as Figure 7 does, at the angle of the
    mean cosine and drawn equally long: what of one lies along the other is
    the projection.
    """
    set_style()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for seed, course in pulled.groupby("seed"):
        left.plot(course["epoch"], course["projection"], lw=1, label=f"seed {seed}")
    left.axhline(0, color="0.4", lw=0.8)
    left.axhline(pulled["projection"].mean(), color="C3", lw=1, ls="--", label="mean")
    left.set(title="projection coefficient, Eq. 8", xlabel="epoch")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(frameon=False, fontsize="x-small")
    reach = max(0.05, 1.1 * pulled["cosine"].abs().max())
    middle.hist(pulled["cosine"], bins=np.linspace(-reach, reach, 31), color="C0", lw=0)
    middle.axvline(0, color="0.4", lw=0.8)
    middle.set_xlim(-reach, reach)
    middle.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    middle.set(title="cosine, Eq. 9", xlabel="conflict < 0 < no conflict", ylabel="epochs")
    _draw_pull(right, pulled)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure


def _draw_pull(axis, pulled: pd.DataFrame) -> None:
    cosine = float(np.clip(pulled["cosine"].mean(), -1, 1))
    # The directions are measured; lengths are drawn alike, or the shorter one could not be seen.
    sine = (1 - cosine**2) ** 0.5
    arrows = {"$g_{fusion}$": (1.0, 0.0, "C0"), "$g_{csc}$": (cosine, sine, "C1")}
    for name, (x, y, colour) in arrows.items():
        arrow = {"arrowstyle": "->", "color": colour, "lw": 2}
        axis.annotate("", (x, y), (0, 0), arrowprops=arrow)
        axis.text(1.08 * x, 1.08 * y, name, color=colour, ha="left", va="center")
    axis.plot([cosine, cosine], [0, sine], color="0.5", lw=0.8, ls=":")
    axis.plot([0, cosine], [-0.03, -0.03], color="C3", lw=3)
    angle = np.degrees(np.arccos(cosine))
    axis.set(xlim=(-1.2, 1.6), ylim=(-0.3, 1.3), aspect="equal")
    axis.set_title(f"{angle:.0f}° by the mean cosine, lengths alike")
    axis.set_axis_off()
