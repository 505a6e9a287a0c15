"""A training small enough for a test."""

from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.training import Spec, train

PAIRS = open_pairs("scenes", "train", names=["0001N"], size=(64, 96))


def tiny(**values):
    """6 patches of 32 x 32 a side; 3 steps an epoch; snapshots at 1, 2, 3, 4."""
    spec = {
        "model": "bsp-cnn",
        **{side: patch_source(PAIRS, side, 32, 32) for side in ("ir", "vi")},
        "relation": "unpaired",
        "pairs": 11,
        "batch": 3,
        "steps": 4,
    }
    return Spec(**{**spec, **values})


def go(spec, **arguments):
    return train(spec, device="cpu", quiet=True, **arguments)
