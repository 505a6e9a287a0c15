"""Each metric against its slow reference, and the proof that the check notices a wrong constant."""

import importlib
import json
from functools import cache, partial

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import metrics
from tests.metrics import parity, slow

CASES = {
    "EN": (metrics.en, slow.en),
    "MI": (metrics.mi, slow.mi),
    "MI bits": (partial(metrics.mi, base="2"), partial(slow.mi, base="2")),
    "VIF": (metrics.vif, slow.vif),
    "Qabf": (metrics.qabf, slow.qabf),
    "SSIM": (metrics.ssim, slow.ssim),
}
for size, sample, data_range in ((11, True, 255.0), (5, False, 1.0)):
    choice = {"window_size": size, "sample_covariance": sample, "data_range": data_range}
    CASES[f"SSIM uniform {size}"] = (partial(metrics.ssim, **choice), partial(slow.ssim, **choice))
for sample, data_range in ((True, 1.0), (False, 255.0)):
    choice = {"window": "gaussian", "sample_covariance": sample, "data_range": data_range}
    ours = partial(metrics.ssim, window_size=11, **choice)
    CASES[f"SSIM gaussian {data_range:g}"] = (ours, partial(slow.ssim, **choice))

# (metric, module, constant, a slightly wrong value)
MUTANTS = [
    ("VIF", "vif", "WINDOW_SIZES", (17, 9, 5, 5)),
    ("VIF", "vif", "SIGMA_PER_SIZE", 1 / 5.05),
    ("VIF", "vif", "NOISE_VARIANCE", 2.01),
    ("Qabf", "qabf", "STRENGTH", (0.9995, 15.0, 0.5)),
    ("Qabf", "qabf", "STRENGTH", (0.9994, 15.1, 0.5)),
    ("Qabf", "qabf", "STRENGTH", (0.9994, 15.0, 0.501)),
    ("Qabf", "qabf", "ORIENTATION", (0.9880, 22.0, 0.8)),
    ("Qabf", "qabf", "ORIENTATION", (0.9879, 22.1, 0.8)),
    ("Qabf", "qabf", "ORIENTATION", (0.9879, 22.0, 0.801)),
    ("SSIM", "ssim", "K2", 0.0301),
    ("SSIM gaussian 255", "ssim", "K1", 0.0101),
    ("EN", "information", "LEVELS", 255),
    ("MI", "information", "LEVELS", 255),
]
# (metric, wrong metric)
WRONG = [
    ("MI", partial(metrics.mi, base="2")),
    ("SSIM", partial(metrics.ssim, data_range=2.02)),
    ("SSIM", partial(metrics.ssim, sample_covariance=False)),
    ("SSIM", partial(metrics.ssim, reduction="mean")),
    ("SSIM", partial(metrics.ssim, window_size=9)),
    ("SSIM gaussian 1", partial(metrics.ssim, data_range=1.0, window="gaussian", window_size=13)),
    ("SSIM gaussian 1",
     partial(metrics.ssim, data_range=1.0, window="gaussian", window_size=11, sigma=1.51)),
]  # fmt: skip
DTYPES = pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)


@cache
def _expected(name, dtype):
    return parity.slow_values(CASES[name][1], parity.images(dtype))


@DTYPES
@pytest.mark.parametrize("name", CASES)
def test_equals_the_slow_reference(name, dtype):
    batch = parity.images(dtype)
    values = CASES[name][0](*batch)
    assert values.dtype == dtype
    assert values.device == batch[0].device
    parity.assert_equal(values, _expected(name, dtype))


@DTYPES
@pytest.mark.parametrize(
    ("name", "module", "constant", "value"), MUTANTS, ids=lambda part: str(part)
)
def test_the_check_rejects_a_wrong_constant(name, module, constant, value, dtype, monkeypatch):
    expected = _expected(name, dtype)
    monkeypatch.setattr(importlib.import_module(f"fusionlib.metrics.{module}"), constant, value)
    values = CASES[name][0](*parity.images(dtype))
    with pytest.raises(AssertionError):
        parity.assert_equal(values, expected)


@DTYPES
@pytest.mark.parametrize(
    ("name", "wrong"), WRONG, ids=lambda part: str(getattr(part, "keywords", part))
)
def test_the_check_rejects_a_wrong_choice(name, wrong, dtype):
    values = wrong(*parity.images(dtype))
    with pytest.raises(AssertionError):
        parity.assert_equal(values, _expected(name, dtype))


@pytest.mark.parametrize("name", CASES)
def test_an_image_scores_the_same_alone_and_in_a_batch(name):
    batch = parity.images(torch.float64)
    alone = [CASES[name][0](*(image[i : i + 1] for image in batch)) for i in range(3)]
    torch.testing.assert_close(CASES[name][0](*batch), torch.cat(alone), rtol=1e-12, atol=1e-12)


# Any size must do: sides around whole blocks of the window means, tall, wide and smallest.
@pytest.mark.parametrize("size", [(41, 41), (46, 54), (48, 70), (97, 42)], ids=str)
@pytest.mark.parametrize("name", ["VIF", "SSIM", "SSIM gaussian 255"])
def test_equals_the_slow_reference_at_any_size(name, size):
    metric, reference = CASES[name]
    batch = parity.images(torch.float64, *size)
    parity.assert_equal(metric(*batch), parity.slow_values(reference, batch))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@DTYPES
@pytest.mark.parametrize("name", CASES)
def test_stays_on_the_device(name, dtype):
    batch = parity.images(dtype)
    value = CASES[name][0](*(image.cuda() for image in batch))
    assert value.is_cuda
    tolerance = parity.TOLERANCE[dtype]
    torch.testing.assert_close(value.cpu(), CASES[name][0](*batch), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["VIF", "SSIM"])
def test_windows_keep_their_accuracy_under_autocast(name):
    batch = parity.images(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = CASES[name][0](*batch)
    torch.testing.assert_close(inside, CASES[name][0](*batch), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["VIF", "SSIM"])
def test_float32_is_accurate_on_unrounded_flat_images(name):
    # Smooth, bright, off the 8-bit grid: the hardest case for variances in float32.
    ramp = torch.linspace(0.9, 0.91, 75).expand(1, 1, 64, 75)
    noise = 1e-3 * torch.rand(2, 1, 1, 64, 75)
    batch = [ramp, ramp + noise[0], ramp + noise[1]]
    metric, reference = CASES[name]
    parity.assert_equal(metric(*batch), parity.slow_values(reference, batch))


SOURCES = {
    "MSRS": ("MSRS/test/ir", "MSRS/test/vi"),
    "RoadScene": ("RoadScene/cropinfrared", "RoadScene/crop_LR_visible"),
    "TNO": ("TNO/ir", "TNO/vi"),
}
FUSED = [
    f"{method}/{image}"
    for method in ("released_cnn", "released_transformer")
    for image in (
        "MSRS_00004N", "MSRS_00491D", "RoadScene_FLIR_00006", "RoadScene_FLIR_06660", "TNO_01",
        "TNO_30",
    )
]  # fmt: skip


def _read(path):
    grey = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    return torch.from_numpy(grey)[None, None] / 255


@pytest.mark.parametrize("key", FUSED)
def test_equals_the_fields_usual_evaluator(key, reference_root, data_root):
    expected = _reference_values(reference_root)[key]
    dataset, name = key.split("/")[1].split("_", 1)
    ir, vi = (_read(next((data_root / folder).glob(f"{name}.*"))) for folder in SOURCES[dataset])
    values = metrics.score(_read(reference_root / f"{key}.png"), ir, vi)
    assert set(values) == {"EN", "MI", "VIF", "Qabf", "SSIM"}
    for metric, value in values.items():
        # Measured: at most 2e-5 (SSIM: that evaluator worked in float32).
        assert value.item() == pytest.approx(expected[metric], rel=1e-4), metric


@cache
def _reference_values(root):
    return json.loads((root / "metrics_by_field_evaluator.json").read_text())
