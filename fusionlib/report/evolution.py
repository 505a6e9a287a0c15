"""How a network's image changes while it trains: a grid, a slider, a film."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image as Picture
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.images import to_uint8
from fusionlib.report.live import live_or_still
from fusionlib.report.panels import smaller
from fusionlib.report.record import stand_in
from fusionlib.report.style import set_caption, set_style

Films = Mapping[str, Mapping[int, Tensor]]  # name -> step -> (1, H, W)
WIDTH = 320  # of a picture, in pixels


def evolution_grid(films: Films, caption: str = "", most: int = 6) -> Figure:
    """A line a training, a column a step: at most so many, spread over all.

    Args:
        films: name -> step -> fused image (1, H, W) in [0, 1].
        caption: stands below; it names the data set.
        most: columns.
    """
    set_style()
    steps = _steps(films)
    steps = [steps[round(k)] for k in np.linspace(0, len(steps) - 1, min(most, len(steps)))]
    height, width = next(iter(films[next(iter(films))].values())).shape[-2:]
    tall = 1.9 * height / width + 0.2
    figure, axes = plt.subplots(
        len(films), len(steps), figsize=(1.9 * len(steps), tall * len(films) + 0.3),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for line, (name, film) in zip(axes, films.items(), strict=True):
        for axis, step in zip(line, steps, strict=True):
            axis.imshow(_picture(film[step]), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"step {step:,}", fontsize="x-small", pad=2)
        line[0].set_ylabel(name)
    set_caption(figure, caption)
    return figure


def browse_evolution(films: Films, caption: str, path: Path) -> Figure | Picture | None:
    """The grid, kept in `path`; in a live notebook a slider over the steps.

    Without a film, because the runs are elsewhere: the grid of before.
    """
    if not films:
        return stand_in(path, "the film")
    return live_or_still(evolution_grid(films, caption), path, lambda: _controls(films, caption))


def _controls(films: Films, caption: str):
    import ipywidgets

    frames = _frames(films, caption)
    shown = ipywidgets.Image(format="png")
    slider = ipywidgets.SelectionSlider(options=list(frames), description="step")

    def show(change) -> None:
        shown.value = frames[change["new"]]._repr_png_()

    slider.observe(show, "value")
    show({"new": slider.value})
    return ipywidgets.VBox([slider, shown])


def evolution_film(films: Films, caption: str, path: Path, milliseconds: int = 700) -> None:
    """Write a GIF: the trainings side by side, a frame a step; the last one stays longer.

    Without a film, because the runs are elsewhere: the GIF of before stays.
    """
    if not films:
        stand_in(path, "the film")
        return
    frames = list(_frames(films, caption).values())
    durations = [milliseconds] * (len(frames) - 1) + [3 * milliseconds]
    first, *rest = (frame.convert("L") for frame in frames)
    write_whole(
        path,
        lambda beside: first.save(
            beside, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0
        ),
    )


def _frames(films: Films, caption: str) -> dict[int, Image.Image]:
    frames = {}
    for step in _steps(films):
        pictures = [_picture(film[step]) for film in films.values()]
        height, width = pictures[0].shape
        frame = Image.new("L", ((width + 4) * len(pictures) - 4, height + 32), 255)
        draw = ImageDraw.Draw(frame)
        for place, (name, picture) in enumerate(zip(films, pictures, strict=True)):
            left = place * (width + 4)
            frame.paste(Image.fromarray(picture), (left, 16))
            draw.text((left + 2, 2), f"{name}, step {step:,}", fill=0)
        draw.text((2, height + 18), caption, fill=0)
        frames[step] = frame
    return frames


def _steps(films: Films) -> list[int]:
    first, *others = (list(film) for film in films.values())
    if not first or any(steps != first for steps in others):
        raise FusionError("All trainings of a film need images of the same steps.")
    return first


def _picture(image: Tensor) -> np.ndarray:
    return smaller(to_uint8(image)[0].astype(float), WIDTH).round().astype(np.uint8)
