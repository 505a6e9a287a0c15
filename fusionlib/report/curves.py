"""Figures of numbers: tables as points, trainings as curves."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fusionlib.published import row_label
from fusionlib.report.style import MODEL_TITLES, PARADIGM_COLOURS, set_caption, set_style


def points(comparison: pd.DataFrame, caption: str = "") -> Figure:
    """Paper (hollow) and ours (filled), a panel a test set and metric.

    `comparison` is what `compare` returned; the bar is twice the spread over
    seeds to either side.
    """
    set_style()
    test_sets, metrics = (list(comparison[name].unique()) for name in ("test_set", "metric"))
    # A row stands at one height in all panels, though not all metrics have it.
    places = {}
    for row in comparison.itertuples():
        known = places.setdefault(row.test_set, {})
        known.setdefault(row_label(row.mode, row.trainable), len(known))
    height = max(1.75, 0.2 * max(map(len, places.values())))
    size = (2.1 * len(metrics) + 1.4, height * len(test_sets) + 0.8)
    shape = (len(test_sets), len(metrics))
    figure, axes = plt.subplots(
        *shape, figsize=size, squeeze=False, sharey="row", layout="constrained"
    )
    for line, test_set in zip(axes, test_sets, strict=True):
        of_set, rows = comparison[comparison["test_set"] == test_set], places[test_set]
        for axis, metric in zip(line, metrics, strict=True):
            for row in of_set[of_set["metric"] == metric].itertuples():
                place = rows[row_label(row.mode, row.trainable)]
                # A setting of the loss, for example, is no paradigm.
                colour = PARADIGM_COLOURS.get(row.mode.split()[0], "C0")
                axis.plot([row.paper, row.ours], [place] * 2, color="0.85", lw=2, zorder=1)
                axis.plot(row.paper, place, "o", mfc="white", mec=colour, ms=6)
                axis.errorbar(row.ours, place, xerr=2 * row.spread, fmt="o", color=colour, ms=6)
            axis.set_yticks(range(len(rows)), rows)
            axis.set_ylim(len(rows) - 0.4, -0.6)
            axis.locator_params(axis="x", nbins=4)
            axis.grid(axis="x", alpha=0.4)
        line[0].set_ylabel(test_set, fontweight="bold")
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.set_title(metric)
    sns.despine(figure)
    beside = "hollow: paper   filled: ours   " if comparison["paper"].notna().any() else ""
    set_caption(figure, f"{beside}{caption}")
    return figure


def improvement_bars(improvement: pd.DataFrame, caption: str = "") -> Figure:
    """Average improvement in per cent of each row, paper (hollow) beside ours.

    `improvement` has columns mode, paper and ours, and low and high for bars of
    uncertainty, such as `bsp_tables.average_improvement` returns for one test
    set.
    """
    set_style()
    figure, axis = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
    colour = PARADIGM_COLOURS["APTP"]
    places = range(len(improvement))
    axis.bar([p - 0.2 for p in places], improvement["paper"], 0.36, fc="white", ec=colour, lw=1.5)
    axis.bar([p + 0.2 for p in places], improvement["ours"], 0.36, fc=colour, ec=colour, lw=1.5)
    if "low" in improvement:
        reach = [
            improvement["ours"] - improvement["low"],
            improvement["high"] - improvement["ours"],
        ]
        axis.errorbar(
            [p + 0.2 for p in places], improvement["ours"], reach, fmt="none", ecolor="0.3"
        )
    axis.axhline(0, color="0.4", lw=0.8)
    axis.set_xticks(places, improvement["mode"])
    axis.set_ylabel("average improvement, %")
    axis.grid(axis="y", alpha=0.4)
    sns.despine(figure)
    set_caption(figure, f"hollow: paper   filled: ours   {caption}")
    return figure


def training_curves(
    losses: pd.DataFrame, scores: pd.DataFrame, metric: str, caption: str
) -> Figure:
    """Loss and a test metric over the steps, mean and range over seeds.

    Args:
        losses: columns model, mode, seed, step, total.
        scores: columns model, mode, seed, step and the metric's mean over
            images.
        metric: the column of `scores` to draw.
        caption: stands below the panels.

    Returns the figure: two panels a model, as Figure 2 has them.
    """
    set_style()
    models = list(losses["model"].unique())
    figure, axes = plt.subplots(
        len(models), 2, figsize=(9, 2.6 * len(models) + 0.8), squeeze=False, layout="constrained"
    )
    look = {"hue": "mode", "palette": PARADIGM_COLOURS, "errorbar": ("pi", 100)}
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for model, (left, right) in zip(models, axes, strict=True):
        name = MODEL_TITLES.get(model, model)
        loss, score = losses[losses["model"] == model], scores[scores["model"] == model]
        sns.lineplot(loss, x="step", y="total", ax=left, **look)
        left.set(ylim=(0, None), ylabel="total loss")
        left.set_title(f"({next(letters)}) {name}: training loss")
        left.legend(title=None, frameon=False)
        sns.lineplot(score, x="step", y=metric, marker="o", ms=4, ax=right, legend=False, **look)
        right.set(ylabel=metric)
        right.set_title(f"({next(letters)}) {name}: {metric} on the test images")
    for axis in axes.flat:
        axis.set(xlabel="step" if axis in axes[-1] else "")
        axis.grid(alpha=0.3)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure


def game_curves(losses: pd.DataFrame, caption: str) -> Figure:
    """The losses of a generator and its two critics over the steps.

    Args:
        losses: columns seed, step, total, saliency_critic and detail_critic,
            such as `smooth` makes of the histories.
        caption: stands below the panels.

    A critic's loss is E D(fused) - E D(source): near 0 it can't tell them
    apart, near -2 it is sure of every image. A line that stays on either
    is a critic that teaches nothing any more.
    """
    set_style()
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    titles = {
        "total": "generator, Eq. 7",
        "saliency_critic": "saliency critic, Eq. 16",
        "detail_critic": "detail critic, Eq. 17",
    }
    for axis, (term, title) in zip(axes, titles.items(), strict=True):
        for seed, curve in losses.groupby("seed"):
            axis.plot(curve["step"], curve[term], lw=1.2, label=f"seed {seed}")
        axis.set(title=title, xlabel="step")
        axis.grid(alpha=0.3)
        if term != "total":
            axis.set_ylim(-2.1, 0.6)
            for level in (-2, 0):
                axis.axhline(level, color="0.6", lw=0.8, ls=":")
    axes[0].set_ylabel("loss")
    axes[0].legend(frameon=False)
    sns.despine(figure)
    set_caption(figure, caption)
    return figure


def smooth(losses: pd.DataFrame, by: list[str], points: int = 60) -> pd.DataFrame:
    """Mean of every loss over equal stretches of steps, about `points` a run.

    Single steps jump with their batch and hide the course. What was smoothed
    before stays as it is.

    Args:
        losses: column step, the columns `by` that tell runs apart, and losses.
        by: those columns.
        points: stretches a run.

    Returns the same columns; `step` is the last step of each stretch.
    """
    end = losses.groupby(by, sort=False)["step"].transform("max")
    length = (end // points).clip(lower=1)
    last = (((losses["step"] - 1) // length + 1) * length).clip(upper=end)
    return losses.assign(step=last).groupby([*by, "step"], sort=False).mean().reset_index()


def curve_ends(
    losses: pd.DataFrame, scores: pd.DataFrame, terms: list[str], metric: str
) -> pd.DataFrame:
    """Where the curves end: mean and deviation over seeds, a row a model and paradigm.

    A loss is the mean of its last stretch; the metric is of the last step. With
    one seed there is no deviation, hence no column for it.
    """
    rows = []
    for (model, mode), curves in losses.groupby(["model", "mode"], sort=False):
        score = scores[(scores["model"] == model) & (scores["mode"] == mode)]
        ends = curves[curves["step"] == curves["step"].max()]
        values = {name: ends[name] for name in terms}
        values[metric] = score[score["step"] == score["step"].max()][metric]
        row = {"model": model, "mode": mode, "seeds": curves["seed"].nunique()}
        for name, value in values.items():
            row[name] = value.mean()
            if row["seeds"] > 1:
                row[f"{name} std"] = value.std()
        rows.append(row)
    return pd.DataFrame(rows)
