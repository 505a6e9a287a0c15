"""A training small enough for a test."""

from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.training import SegmenterSpec, Spec, labelled_source, train

PAIRS = open_pairs("scenes", "train", names=["0001N"], size=(64, 96))

LABELLED = open_pairs(
    "scenes", "train", names=["0000D", "0001N", "0002D", "0003N", "0004D", "0005N"], size=(64, 96)
)


def tiny(**values):
    """6 patches of 32 x 32 a side; 3 steps an epoch; snapshots at 1, 2, 3, 4."""
    colour = values.get("channels") == 3
    spec = {
        "model": "bsp-cnn",
        "ir": patch_source(PAIRS, "ir", 32, 32),
        "vi": patch_source(PAIRS, "vi", 32, 32, colour=colour),
        "relation": "unpaired",
        "pairs": 11,
        "batch": 3,
        "steps": 4,
    }
    return Spec(**{**spec, **values})


def tiny_segmenter(images="vi", pairs=LABELLED, protocol="plain", **values):
    """6 scenes at 32 x 48 and SegFormer-B0; 3 steps an epoch; the last step's weights."""
    source = labelled_source(images, pairs, protocol)
    spec = {"size": (32, 48), "encoder": "b0", "steps": 4, "batch": 2}
    return SegmenterSpec(source, **{**spec, **values})


def go(spec, **arguments):
    return train(spec, device="cpu", quiet=True, **arguments)
