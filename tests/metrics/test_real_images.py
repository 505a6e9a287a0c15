"""Each metric on real pairs: against its slow reference and against the field's usual evaluator."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import images, metrics
from tests.metrics import parity
from tests.metrics.cases import CASES

SOURCES = {
    "MSRS": ("MSRS/test/ir", "MSRS/test/vi"),
    "RoadScene": ("RoadScene/cropinfrared", "RoadScene/crop_LR_visible"),
    "TNO": ("TNO/ir", "TNO/vi"),
}
SCENES = (
    "MSRS_00004N", "MSRS_00491D", "RoadScene_FLIR_00006", "RoadScene_FLIR_06660", "TNO_01",
    "TNO_30",
)  # fmt: skip
METHODS = ("released_cnn", "released_transformer")
# One night scene of 640x480, and one of two odd sides.
PAIRS = ("released_cnn/MSRS_00004N", "released_transformer/RoadScene_FLIR_06660")


def _read(path, mode="L"):
    levels = np.asarray(Image.open(path).convert(mode), dtype=np.float64)
    return torch.from_numpy(np.atleast_3d(levels)).permute(2, 0, 1)[None] / 255


@cache
def _batch(key, references, data, colour=False):
    dataset, scene = key.split("/")[1].split("_", 1)
    ir, vi = (next((data / folder).glob(f"{scene}.*")) for folder in SOURCES[dataset])
    fused, ir, vi = _read(references / f"{key}.png"), _read(ir), _read(vi, "RGB" if colour else "L")
    if colour:  # as usual: the fused grey with the visible image's two colour channels
        ycbcr = torch.cat([fused, images.rgb_to_ycbcr(vi)[:, 1:]], 1)
        fused = images.ycbcr_to_rgb(ycbcr).clamp(0, 1).mul(255).round() / 255
    return fused, ir, vi


@cache
def _expected(name, key, references, data):
    case = CASES[name]
    return parity.slow_values(case.slow, _batch(key, references, data, case.name == "ΔE"))


@pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
@pytest.mark.parametrize("key", PAIRS)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_slow_reference(name, key, dtype, reference_root, data_root):
    case = CASES[name]
    batch = [x.to(dtype) for x in _batch(key, reference_root, data_root, case.name == "ΔE")]
    parity.assert_equal(case(*batch), _expected(name, key, reference_root, data_root))


@pytest.mark.parametrize("key", [f"{method}/{scene}" for method in METHODS for scene in SCENES])
def test_equals_the_fields_usual_evaluator(key, reference_root, data_root):
    expected = _reference_values(reference_root)[key]
    batch = [image.float() for image in _batch(key, reference_root, data_root)]
    values = metrics.score(*batch, metrics=tuple(expected))
    assert len(values) == 12
    for metric, value in values.items():
        assert value.item() == pytest.approx(expected[metric], rel=1e-4), metric


@cache
def _reference_values(root):
    return json.loads((root / "metrics_by_field_evaluator.json").read_text())
