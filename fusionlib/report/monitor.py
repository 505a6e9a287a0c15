"""Watch a training while it runs: its losses, its SSIM on test images, what it fuses."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from fusionlib.data import PairSet
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.inference import Protocol, fuse_in_colour
from fusionlib.progress import live_notebook
from fusionlib.report.monitor_figure import monitor_figure
from fusionlib.report.style import save_figure, set_style
from fusionlib.training import Background, Run, Spec, train

METRIC = "SSIM"


@dataclass(frozen=True)
class Moment:
    """What a run's folder tells at an instant.

    step, total: reached, and of the whole training.
    history: the losses so far, as `Run.history` has them.
    snapshots: steps whose weights are there.
    seconds_left: at the mean speed so far; None where nothing tells it.
    busy: whether a process trains it now.
    finished: whether its last weights are there.
    """

    step: int
    total: int
    history: pd.DataFrame
    snapshots: tuple[int, ...]
    seconds_left: float | None
    busy: bool
    finished: bool


def look(run: Run) -> Moment:
    """What there is to see of a run now, from its folder alone.

    A training in progress has told its losses up to its checkpoint, and its
    step a second ago. Raises FusionError for a damaged checkpoint.
    """
    finished, total = run.finished, run.spec.total_steps
    busy = not finished and run.busy
    history, state = run.history(), run.state()
    step = run.at if busy else total if finished else len(history)
    left = None
    if busy and state:
        left = (total - step) * state["seconds"] / state["step"]
    return Moment(step, total, history, tuple(run.steps), left, busy, finished)


class Monitor:
    """A training beside the notebook, and what a reader sees of it.

    Args:
        spec: of a fusion training.
        test: a few pairs; every snapshot is scored on all, the first is shown.
        protocol, convention: as `evaluate` takes them.
        data: folder that holds the datasets.
        title: of the test set in captions; default its name.
        device: where it trains, as for `train`.

    Raises FusionError for the spec of a segmenter, and as `Protocol.of`.
    """

    def __init__(
        self,
        spec: Spec,
        test: PairSet,
        protocol: str = "plain",
        convention: str = "bsp",
        data: str | Path | None = None,
        title: str = "",
        device: str | None = None,
    ):
        if spec.kind != "fusion":
            raise FusionError("A segmenter fuses nothing to look at: monitor a fusion training.")
        set_style()
        self.training = Background(spec, data, device)
        self.run, self.test, self.pair = self.training.run, test, test[0]
        self.title = title or test.dataset
        self.protocol, self.convention = Protocol.of(protocol).name, convention
        self.scores: dict[int, float] = {}  # by the snapshot's step
        self._fused: dict[int, Tensor] = {}

    def score_next(self, moment: Moment) -> bool:
        """Score the first snapshot that is not scored; whether there was one."""
        for step in moment.snapshots:
            if step not in self.scores:
                how = (self.protocol, self.convention, [METRIC], step)
                scores = evaluate(self.run, self.test, *how, progress=False)
                self.scores[step] = float(scores[METRIC].mean())
                return True
        return False

    def fused(self, step: int) -> Tensor:
        """What the network of a snapshot makes of the first pair, (3, H, W)."""
        if step not in self._fused:
            model, channels = self.run.model(step), self.run.spec.channels
            sources = self.pair.ir[None], self.pair.vi_rgb[None]
            self._fused[step] = fuse_in_colour(model, *sources, channels, self.protocol)[0]
        return self._fused[step]

    def status(self, moment: Moment) -> str:
        """Where the training stands, in a sentence."""
        of = f"step {moment.step:,} of {moment.total:,}"
        if moment.finished:
            return f"finished: {moment.total:,} steps"
        if self.training.stopping:
            return f"{of}, stopping"
        if moment.busy:
            seconds = moment.seconds_left
            left = "" if seconds is None else f", {tqdm.format_interval(seconds)} left"
            return f"{of}{left}" + ("" if self.training.alive else ", by another process")
        if self.training.alive:
            return "starting"
        if failure := self.failure(moment):
            return f"failed after {of}: {failure}"
        return f"stopped at {of}" if moment.step else f"{moment.total:,} steps, not begun"

    def failure(self, moment: Moment) -> str | None:
        """Why it failed, and what to do; None where it did not, or goes on."""
        goes_on = moment.finished or moment.busy or self.training.alive
        return None if goes_on else self.training.failure

    def figure(self, moment: Moment) -> Figure:
        """Losses and SSIM over the steps, and the first pair fused early and late."""
        shown = {"infrared": self.pair.ir, "visible": self.pair.vi_rgb}
        if scored := sorted(self.scores):
            ends = (scored[0], scored[-1])
            shown |= {f"fused after step {step:,}": self.fused(step) for step in ends}
        count = f"{len(self.test)} test image" + "s" * (len(self.test) > 1)
        caption = (
            f"{self.title} {self.pair.name}, {self.protocol}; {METRIC}: mean of {count},"
            f" convention {self.convention}"
        )
        scores = pd.Series(self.scores, dtype=float).sort_index()
        return monitor_figure(moment.history, scores, METRIC, moment.total, shown, caption)

    def in_words(self, moment: Moment) -> str:
        """The figure for readers who cannot see it."""
        words = [f"After step {moment.step:,} of {moment.total:,}"]
        if len(moment.history):
            last = moment.history.drop(columns=["step", "epoch"]).iloc[-1]
            words += [f"{name} {value:.3g}" for name, value in last.items()]
        if self.scores:
            last = max(self.scores)
            words.append(f"{METRIC} of step {last:,} {self.scores[last]:.3f}")
        return ", ".join(words)

    def widget(self, path: Path | None = None):
        """Buttons, a bar and the growing figure: an ipywidgets box.

        path: the picture that is written when the training has ended.
        """
        from fusionlib.report.monitor_widget import controls

        return controls(self, path)


def monitor(
    spec: Spec,
    test: PairSet,
    path: Path | None,
    protocol: str = "plain",
    convention: str = "bsp",
    data: str | Path | None = None,
    title: str = "",
) -> Monitor:
    """Let a reader start, watch, stop and resume a training; keep the last figure in `path`.

    In a live notebook the training has a process of its own: the cell is done
    at once, and `train(spec)` in a later one waits for the end. Elsewhere it is
    trained here, and the figure of its end is shown.

    Args: as `Monitor`; path: the picture, None writes none.

    Raises FusionError as `Monitor`, and elsewhere as `train`.
    """
    from IPython.display import display

    watched = Monitor(spec, test, protocol, convention, data, title)
    if live_notebook():
        display(watched.widget(path))
        return watched
    train(spec, data)
    moment = look(watched.run)
    while watched.score_next(moment):
        pass
    display(save_figure(watched.figure(moment), path))
    return watched
