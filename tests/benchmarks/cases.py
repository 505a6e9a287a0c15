"""What is timed: twelve metrics of one 640x480 pair in float32, ours and the NumPy reference."""

import torch

from fusionlib.data import open_pairs
from fusionlib.metrics import score
from tests.benchmarks import vectorised

NAMES = tuple(vectorised.METRICS)
# What is asked for in one call: each metric alone, and all of them.
CALLS = {**{name: (name,) for name in NAMES}, "all twelve": NAMES}


def open_images(dataset="scenes", name="0000D", data=None):
    """A test pair and the rounded mean of its sources: fused, ir, vi (1, 1, H, W) in [0, 1]."""
    pair = open_pairs(dataset, "test", data=data, names=[name])[0]
    ir, vi = pair.ir[None], pair.vi[None]
    return torch.round((ir + vi) / 2 * 255) / 255, ir, vi


def ours(images, names):
    return score(*images, metrics=names, convention="bsp")


def reference(arrays, names):
    return {name: vectorised.METRICS[name](*arrays) for name in names}


def arrays_of(images):
    """The reference's images: float32 arrays (H, W) on 0..255."""
    return [(image * 255).squeeze((0, 1)).numpy() for image in images]
