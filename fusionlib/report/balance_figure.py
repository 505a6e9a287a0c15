"""Figures of two losses trained together: their weights, and how their gradients pull."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Wedge

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


def pull_panels(courses: pd.DataFrame, pulled: pd.DataFrame, caption: str) -> Figure:
    """The projection over stage II, the cosines of all steps, the mean angle.

    Args:
        courses: every step, with its stage and cosine.
        pulled: what `experiments.ssvif_gradients.pulls` made of it.
        caption: stands below.

    The last panel shows both gradients as Figure 7 does, at the angle of the
    mean cosine and drawn equally long: what of one lies along the other is
    the projection. The wedge holds the angles of nine steps in ten.
    """
    set_style()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for seed, course in pulled.groupby("seed"):
        left.plot(course["step"], course["projection"], lw=1, label=f"seed {seed}")
    left.axhline(0, color="0.4", lw=0.8)
    left.axhline(pulled["projection"].mean(), color="C3", lw=1, ls="--", label="mean")
    left.set(title="projection coefficient, Eq. 8", xlabel="step")
    left.legend(frameon=False, fontsize="x-small")
    cosines = courses.loc[courses["stage"] == 2, "cosine"]
    middle.hist(cosines, bins=np.linspace(-1, 1, 41), color="C0", lw=0)
    middle.axvline(0, color="0.4", lw=0.8)
    middle.axvline(cosines.mean(), color="C3", lw=1, ls="--")
    middle.set(title="cosine of every step, Eq. 9", xlabel="conflict < 0 < no conflict")
    middle.set(xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1), ylabel="steps")
    _draw_pull(right, cosines)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure


def _draw_pull(axis, cosines: pd.Series) -> None:
    near, far = cosines.quantile(0.95), cosines.quantile(0.05)
    told = np.clip([near, cosines.mean(), far], -1, 1)
    cosine, (least, angle, most) = told[1], np.degrees(np.arccos(told))
    axis.add_patch(Wedge((0, 0), 1, least, most, color="C1", alpha=0.15, lw=0))
    # The directions are measured; lengths are drawn alike, or the shorter one could not be seen.
    sine = (1 - cosine**2) ** 0.5
    arrows = {"$g_{fusion}$": (1.0, 0.0, "C0"), "$g_{csc}$": (cosine, sine, "C1")}
    for name, (x, y, colour) in arrows.items():
        arrow = {"arrowstyle": "->", "color": colour, "lw": 2}
        axis.annotate("", (x, y), (0, 0), arrowprops=arrow)
        axis.text(1.08 * x, 1.08 * y, name, color=colour, ha="left", va="center")
    axis.plot([cosine, cosine], [0, sine], color="0.5", lw=0.8, ls=":")
    axis.plot([0, cosine], [-0.03, -0.03], color="C3", lw=3)
    axis.set(xlim=(-1.2, 1.6), ylim=(-0.3, 1.3), aspect="equal")
    axis.set_title(f"{angle:.0f}° by the mean cosine, {least:.0f}° to {most:.0f}°")
    axis.set_axis_off()
