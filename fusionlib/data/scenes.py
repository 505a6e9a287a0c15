"""Rendered road scenes: registered infrared and visible images with the nine MSRS classes.

The embedded data set: no download, any size, the same bytes for the same seed. Each scene poses
the problem of infrared and visible fusion on purpose: people and running cars are warm and, at
night, hard to see; ground, signs and painted marks have texture that the infrared lacks; lamps
glare and smoke hides in the visible only.
"""

from typing import NamedTuple

import numpy as np
import torch

from fusionlib.data import scene_sensors as sensors
from fusionlib.data.scene_canvas import SUPERSAMPLING
from fusionlib.data.scene_layout import draw
from fusionlib.errors import FusionError

SCENES_VERSION = 1  # part of the fingerprint of rendered pairs: bump it when a pixel changes
SMALLEST = 32  # pixels a side


class Scene(NamedTuple):
    """A rendered pair: ir (1, H, W), vi_rgb (3, H, W); labels (H, W) in 0..8."""

    ir: torch.Tensor
    vi_rgb: torch.Tensor
    labels: torch.Tensor


def render(seed: int, night: bool, height: int = 480, width: int = 640) -> Scene:
    """Draw a road scene by day or by night.

    Args:
        seed: 0 or more. The same seed gives the same bytes at the same size,
            and the same things in the same places at other sizes.
        night: dark and lit by lamps, instead of daylight.
        height, width: pixels, 32 or more.

    Returns a Scene of float32 `ir` (1, H, W) and `vi_rgb` (3, H, W) in [0, 1],
    and int64 `labels` (H, W): the index in `labels.MSRS` of what a pixel shows.

    Raises FusionError for a negative seed or a size below 32.
    """
    if seed < 0:
        raise FusionError(f"The seed of a rendered scene is {seed}; use 0 or more.")
    if min(height, width) < SMALLEST:
        raise FusionError(
            f"A rendered scene of {height}x{width} pixels is too small; "
            f"use {SMALLEST} or more a side."
        )
    # One generator for what is there and one for each sensor: nothing that is only visible,
    # such as lamps and smoke, can reach the infrared.
    plan, visible, infrared = (
        np.random.default_rng([seed, int(night), stage]) for stage in range(3)
    )
    canvas, lights, smoke = draw(plan, night, height, width)
    labels = np.asarray(canvas.body.getchannel("G"))[::SUPERSAMPLING, ::SUPERSAMPLING]
    return Scene(
        torch.from_numpy(sensors.infrared(canvas, night, infrared))[None],
        torch.from_numpy(sensors.visible(canvas, lights, smoke, night, visible)),
        torch.from_numpy(labels.astype(np.int64)),
    )
