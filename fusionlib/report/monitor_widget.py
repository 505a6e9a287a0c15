"""The monitor's buttons, bar and growing figure, for a live notebook."""

import base64
import html
import threading
from pathlib import Path

import ipywidgets
from matplotlib.figure import Figure

from fusionlib.errors import FusionError
from fusionlib.report.monitor import Moment, Monitor, look
from fusionlib.report.redraw import png_of
from fusionlib.report.style import save_figure
from fusionlib.report.teaching import WRONG

POLL_SECONDS = 1.0


def controls(monitor: Monitor, path: Path | None) -> ipywidgets.VBox:
    """Start, Stop and Resume, how far it is, and the figure.

    A thread looks at the run every second, so that the kernel stays free; it
    ends when the training is finished or the box is closed. path: as
    `Monitor.widget`.
    """
    training = monitor.training
    go = ipywidgets.Button(description="Start", icon="play")
    stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
    bar = ipywidgets.IntProgress(max=monitor.run.spec.total_steps)
    told, picture = ipywidgets.HTML(), ipywidgets.HTML()
    line = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
    box = ipywidgets.VBox([ipywidgets.HBox([go, stop, bar, told], layout=line), picture])
    wake, drawn = threading.Event(), None

    def show() -> Moment:
        """Bring everything up to date."""
        nonlocal drawn
        moment = look(monitor.run)
        bar.value = moment.step
        go.description = "Resume" if moment.step else "Start"
        go.disabled = moment.finished or moment.busy or training.alive
        stop.disabled = moment.finished or training.stopping or not training.alive
        told.value = _coloured(monitor.status(moment), monitor.failure(moment) is not None)
        seen = (len(moment.history), len(monitor.scores))
        if seen != drawn:  # to draw takes longer than to look
            picture.value = _as_html(monitor.figure(moment), monitor.in_words(moment))
            drawn = seen
        return moment

    def follow() -> None:
        while box.comm is not None:  # none once the box is closed
            try:
                moment = show()
                if monitor.score_next(moment):
                    continue
                if moment.finished:
                    save_figure(monitor.figure(moment), path)
                    break
            except FusionError as error:
                told.value = _coloured(str(error), True)
            wake.wait(POLL_SECONDS)
            wake.clear()

    def start(_) -> None:
        go.disabled = True
        training.start()
        wake.set()

    def end(_) -> None:
        stop.disabled = True
        training.stop()
        wake.set()

    go.on_click(start)
    stop.on_click(end)
    follower = threading.Thread(target=follow, name=f"monitor of {monitor.run.key}", daemon=True)
    # For those who steer it by a program, such as tests.
    box.parts = {"go": go, "stop": stop, "bar": bar, "told": told, "picture": picture,
                 "follower": follower}  # fmt: skip
    follower.start()
    return box


def _coloured(text: str, wrong: bool) -> str:
    text = html.escape(text)
    return f'<b style="color:{WRONG}">{text}</b>' if wrong else text


def _as_html(figure: Figure, words: str) -> str:
    """The figure as an image with a text for those who cannot see it."""
    code = base64.b64encode(png_of(figure)).decode()
    width, height = figure.canvas.get_width_height()
    # Its size is told, so that the page does not jump while the next one loads.
    return (
        f'<img alt="{html.escape(words)}" width="{width}" height="{height}"'
        f' style="max-width:100%;height:auto" src="data:image/png;base64,{code}">'
    )
