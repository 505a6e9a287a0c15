"""The figure of what training costs: time, memory, prediction."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fusionlib.report.style import set_caption, set_style

LINES = {64: ":", 128: "-"}


def cost_panels(
    measured: pd.DataFrame, lines: pd.DataFrame, predicted: pd.DataFrame, caption: str
) -> Figure:
    """Three panels: time a step, memory, and the paper's rows at that speed.

    Args:
        measured: what `experiments.training_cost.steps` returned.
        lines: `fit` of it; drawn grey.
        predicted: `predict` of these.
        caption: stands below.
    """
    set_style()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    models = list(measured["model"].unique())
    colours = dict(zip(models, sns.color_palette("colorblind"), strict=False))
    swept = measured[measured["paradigm"] == "UPTP"]
    for (model, patch), found in swept.groupby(["model", "patch"], sort=False):
        pixels = found["batch"] * found["patch"] ** 2 / 1e6
        look = {"color": colours[model], "ls": LINES.get(patch, "-"), "marker": "o", "ms": 4}
        left.plot(pixels, found["ms"], label=f"{model}, {patch}x{patch}", **look)
        middle.plot(pixels, found["peak_mb"], **look)
    ends = swept["batch"] * swept["patch"] ** 2 / 1e6
    for _, line in lines.iterrows():
        span = pd.Series([ends.min(), ends.max()])
        left.plot(span, line["fixed_ms"] + line["ms_per_mpx"] * span, color="0.7", lw=0.8, zorder=0)
    others = measured[measured["paradigm"] != "UPTP"]
    for mode, marker in (("SPTP", "x"), ("APTP", "+")):
        found = others[others["paradigm"] == mode]
        pixels = found["batch"] * found["patch"] ** 2 / 1e6
        left.plot(pixels, found["ms"], marker, color="0.2", ms=7, label=mode)
    left.set(title="a step", xlabel="million pixels in a batch", ylabel="ms")
    middle.set(title="memory of the process", xlabel="million pixels in a batch", ylabel="MB")
    left.legend(frameon=False, fontsize="x-small")
    sns.barplot(
        predicted.assign(T=predicted["T"].map("{:,}".format)),
        x="T", y="hours", hue="model", palette=colours, ax=right,
    )  # fmt: skip
    right.set(title="the paper's rows, predicted", ylabel="hours, 100 epochs", yscale="log")
    right.legend(frameon=False, fontsize="x-small")
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
    left.set_ylim(0, None)
    middle.set_ylim(0, None)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure
