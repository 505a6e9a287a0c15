"""Each metric, with each choice of its arguments, against its slow reference."""

import inspect
from functools import cache

import pytest
import torch

from fusionlib.metrics import METRICS
from tests.metrics import parity
from tests.metrics.cases import CASES, CHOICES

DTYPES = pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
EVERY = pytest.mark.parametrize("name", CASES)


@cache
def expected(name):
    # The same for both dtypes, because the references get exact levels.
    return parity.slow_values(CASES[name].slow, CASES[name].images())


def test_every_metric_and_every_argument_is_checked():
    assert list(CHOICES) == list(METRICS)
    for name, metric in METRICS.items():
        arguments = list(inspect.signature(metric).parameters)
        assert arguments[:3] == ["fused", "ir", "vi"]
        chosen = {argument for choices in CHOICES[name] for argument in choices}
        assert set(arguments[3:]) == chosen, name


@DTYPES
@EVERY
def test_equals_the_slow_reference(name, dtype):
    batch = CASES[name].images(dtype)
    values = CASES[name](*batch)
    assert values.shape == (3,)
    assert values.dtype == dtype
    assert values.device == batch[0].device
    parity.assert_equal(values, expected(name))


@EVERY
def test_float64_that_came_by_way_of_float32_is_no_less_exact(name):
    # As `read_grey(...).double()` is: k/255 in float32 is not k/255 in float64.
    batch = [image.float().double() for image in CASES[name].images(torch.float64)]
    parity.assert_equal(CASES[name](*batch), expected(name))


@EVERY
def test_an_image_scores_the_same_alone_and_in_a_batch(name):
    case = CASES[name]
    batch = case.images()
    alone = [case(*(image[i : i + 1] for image in batch)) for i in range(3)]
    torch.testing.assert_close(case(*batch), torch.cat(alone), rtol=1e-12, atol=1e-12)


# Any size must do: sides around whole blocks of the window means, odd, tall, wide and smallest.
ANY = [(41, 41), (46, 54), (48, 70), (97, 42)]
TINY = [(2, 2), (3, 2), (5, 31)]
SIZES = {
    **{name: [*TINY, (7, 7), *ANY] for name in CASES},
    **{name: ANY for name in CASES if name.startswith("VIF")},
    **{name: [(15, 15), *ANY] for name in CASES if name.startswith("SSIM")},
    **{name: [(161, 161), (162, 189), (321, 170)] for name in CASES if name.startswith("MS-SSIM")},
    "MS-SSIM odd=crop": [(176, 176), (177, 207), (321, 178)],
}


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in CASES for size in SIZES[name]], ids=str
)
def test_equals_the_slow_reference_at_any_size(name, size):
    case = CASES[name]
    batch = (parity.colours if case.name == "ΔE" else parity.images)(torch.float64, *size)
    parity.assert_equal(case(*batch), parity.slow_values(case.slow, batch))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@DTYPES
@EVERY
def test_stays_on_the_device(name, dtype):
    value = CASES[name](*(image.cuda() for image in CASES[name].images(dtype)))
    assert value.is_cuda
    assert value.dtype == dtype
    parity.assert_equal(value.cpu(), expected(name))


@EVERY
def test_autocast_changes_nothing(name):
    batch = CASES[name].images(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = CASES[name](*batch)
    assert inside.dtype == torch.float32
    parity.assert_equal(inside, expected(name))


def _ramp():
    # Smooth, bright, off the 8-bit grid: the hardest case for variances in float32.
    ramp = torch.linspace(0.9, 0.91, 75).expand(1, 1, 64, 75)
    noise = 1e-3 * torch.rand(2, 1, 1, 64, 75)
    return [ramp, ramp + noise[0], ramp + noise[1]]


def _halves():
    # A black and a white half, each with a speck here and there: far from their common mean.
    halves = torch.zeros(1, 1, 64, 75)
    halves[..., 40:] = 254
    return [(halves + (torch.rand_like(halves) > 0.98)) / 255 for _ in range(3)]


@pytest.mark.parametrize("images", [_ramp, _halves])
@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.name in ("VIF", "SSIM", "SD", "CC")]
)
def test_float32_is_accurate_on_flat_images(name, images):
    batch = images()
    parity.assert_equal(CASES[name](*batch), parity.slow_values(CASES[name].slow, batch))


@EVERY
def test_the_arguments_are_left_as_they_were(name):
    batch = CASES[name].images()
    before = [image.clone() for image in batch]
    CASES[name](*batch)
    assert all(torch.equal(image, copy) for image, copy in zip(batch, before, strict=True))
