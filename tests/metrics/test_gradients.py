"""Gradients of the metrics that promise them: right on noise, finite on any image."""

import pytest
import torch

from fusionlib import metrics
from fusionlib.metrics import METRICS
from tests.metrics import parity
from tests.metrics.cases import CASES, DIFFERENTIABLE

SMOOTH = [name for name, case in CASES.items() if case.name in DIFFERENTIABLE]


def test_every_docstring_says_whether_a_metric_can_be_differentiated():
    for name, metric in METRICS.items():
        says = "Differentiable" if name in DIFFERENTIABLE else "not differentiable"
        unsaid = "not differentiable" if name in DIFFERENTIABLE else "Differentiable"
        assert says in metric.__doc__, name
        assert unsaid not in metric.__doc__, name


def noise(case, generator):
    """Unrounded (3, 1, C, H, W), whose edges all have strength and whose colours all have hue."""
    channels = 3 if case.name == "ΔE" else 1
    size = (176, 177) if case.name == "MS-SSIM" else (43, 46)
    # MS-SSIM of independent images is 0 and flat; sources and fused image share half of theirs.
    kinds = torch.rand(4, 1, channels, *size, generator=generator, dtype=torch.float64)
    return (kinds[:3] + kinds[3:]) / 2


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_the_slope(name):
    case = CASES[name]
    generator = torch.Generator().manual_seed(5)
    fused, ir, vi = noise(case, generator)
    fused.requires_grad_()
    (gradient,) = torch.autograd.grad(case(fused, ir, vi).sum(), fused)
    assert gradient.isfinite().all()
    # Along the gradient, where a slope too small or too large shows, and along a random direction.
    for direction in (gradient, torch.randn(fused.shape, generator=generator).double()):
        step = 1e-6 * direction / direction.norm()
        with torch.no_grad():
            rise = (case(fused + step, ir, vi) - case(fused - step, ir, vi)).item() / 2
        expected = (gradient * step).sum().item()
        assert rise == pytest.approx(expected, rel=1e-4, abs=1e-6 * (gradient.norm() * 1e-6).item())


def _same(case, dtype, *levels):
    channels = 3 if case.name == "ΔE" else 1
    size = (176, 177) if case.name == "MS-SSIM" else (43, 46)
    return [torch.full((1, channels, *size), level / 255, dtype=dtype) for level in levels]


HARD = {
    "8-bit images with flat regions": lambda case, dtype: case.images(dtype),
    "fused is ir": lambda case, dtype: [case.images(dtype)[i] for i in (1, 1, 2)],
    "fused is vi": lambda case, dtype: [case.images(dtype)[i] for i in (2, 1, 2)],
    "fused inverts ir": lambda case, dtype: [1 - case.images(dtype)[1], *case.images(dtype)[1:]],
    "fused is constant": lambda case, dtype: [
        0 * case.images(dtype)[0] + 100 / 255, *case.images(dtype)[1:]
    ],
    "both sources are constant": lambda case, dtype: [
        case.images(dtype)[0], *(0 * x + 100 / 255 for x in case.images(dtype)[1:])
    ],
    "constant": lambda case, dtype: _same(case, dtype, 93, 0, 255),
    "one constant": lambda case, dtype: _same(case, dtype, 100, 100, 100),
    "black": lambda case, dtype: _same(case, dtype, 0, 0, 0),
    "black fused": lambda case, dtype: [0 * case.images(dtype)[0], *case.images(dtype)[1:]],
    "white fused": lambda case, dtype: _same(case, dtype, 255, 0, 31),
}  # fmt: skip
IDENTICAL = ("one constant", "black")
NO_PEAK = "black fused"


@pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
@pytest.mark.parametrize("images", HARD)
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_finite_on_any_image(name, images, dtype):
    case = CASES[name]
    if case.name == "PSNR" and images in IDENTICAL:
        return  # infinite itself, see test_known_values
    fused, ir, vi = (image.clone() for image in HARD[images](case, dtype))
    fused.requires_grad_()
    values = case(fused, ir, vi)
    # The PSNR of an image whose own peak is 0 is minus infinity, but for all of its neighbours.
    assert values.isfinite().all() or (case.name == "PSNR" and images == NO_PEAK)
    (gradient,) = torch.autograd.grad(values.sum(), fused)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", SMOOTH)
def test_a_gradient_does_not_depend_on_the_batch(name):
    case = CASES[name]
    batch = case.images()

    def gradient(*images):
        fused = images[0].clone().requires_grad_()
        return torch.autograd.grad(case(fused, *images[1:]).sum(), fused)[0]

    alone = [gradient(*(image[i : i + 1] for image in batch)) for i in range(3)]
    torch.testing.assert_close(gradient(*batch), torch.cat(alone), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
def test_scores_can_be_differentiated_one_after_another(dtype):
    # Each in turn without `retain_graph`, so no two may hang on one graph.
    fused, ir, vi = CASES["MS-SSIM"].images(dtype)
    fused.requires_grad_()
    values = metrics.score(fused, ir, vi, metrics=[name for name in METRICS if name != "ΔE"])
    alone = {name: METRICS[name](fused, ir, vi) for name in values}
    for name in DIFFERENTIABLE[:-1]:
        gradients = [torch.autograd.grad(v[name].sum(), fused)[0] for v in (values, alone)]
        assert torch.equal(*gradients), name
        assert gradients[0].isfinite().all(), name


def test_score_gives_the_gradient_of_a_colour_difference():
    fused, ir, vi = parity.colours(torch.float64)
    fused.requires_grad_()
    values = metrics.score(fused, ir, vi, metrics=("ΔE", "EN"))
    assert torch.autograd.grad(values["ΔE"].sum(), fused)[0].isfinite().all()


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_windows_first_made_in_inference_mode_serve_gradients_too(window):
    # No other test asks for these windows, so they are made here and kept for later.
    options = {"window": window, "window_size": 19, "sigma": 3.25}
    fused, ir, vi = parity.images(torch.float64)
    with torch.inference_mode():
        metrics.ssim(fused, ir, vi, **options)
    fused.requires_grad_()
    value = metrics.ssim(fused, ir, vi, **options).sum()
    assert torch.autograd.grad(value, fused)[0].isfinite().all()
