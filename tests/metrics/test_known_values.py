"""What each metric must say about images whose score is known without computing."""

import math

import pytest
import torch

from fusionlib import metrics
from fusionlib.metrics import METRICS
from tests.metrics import parity

DTYPES = pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)


@DTYPES
def test_a_perfect_copy_of_equal_sources(dtype):
    image = parity.images(dtype)[1]
    values = metrics.score(image, image, image)
    ones = torch.ones(3, dtype=dtype)
    torch.testing.assert_close(values["SSIM"], 2 * ones)
    torch.testing.assert_close(values["VIF"], 2 * ones)
    # All information is kept: each source shares the fused image's whole entropy, here in nats.
    torch.testing.assert_close(values["MI"], 2 * math.log(2) * values["EN"])
    # Strength kept g_F (as good as 1), orientation kept 1: the sigmoids' ceilings.
    best = 0.9994 * 0.9879 / (1 + math.exp(-22 * 0.2))
    torch.testing.assert_close(values["Qabf"], best * ones, rtol=1e-5, atol=0)


@DTYPES
def test_entropy_counts_levels(dtype):
    levels = torch.arange(64 * 64, dtype=dtype).view(1, 1, 64, 64)
    images = torch.cat([levels % 256 / 255, levels % 2, levels * 0])
    torch.testing.assert_close(metrics.en(images), torch.tensor([8, 1, 0], dtype=dtype))


@DTYPES
def test_one_source_kept_and_the_other_black(dtype):
    source = parity.images(dtype)[1]
    values = metrics.score(source, source, torch.zeros_like(source))
    torch.testing.assert_close(values["MI"], math.log(2) * values["EN"])
    torch.testing.assert_close(values["VIF"], torch.full((3,), 2, dtype=dtype))
    assert (values["Qabf"] > 0.97).all()  # the black source has no edge, so no say
    # A window is like black only where it is itself dark, as a part of the second image is.
    assert (values["SSIM"] >= 1).all()
    assert (values["SSIM"] < 1.3).all()


@DTYPES
@pytest.mark.parametrize("levels", [(0, 0, 0), (93, 0, 255), (200, 200, 200), (0, 31, 7)], ids=str)
def test_constant_images_give_finite_scores(levels, dtype):
    images = [torch.full((2, 1, 64, 70), level / 255, dtype=dtype) for level in levels]
    values = metrics.score(*images)
    for name, value in values.items():
        assert value.isfinite().all(), name
    torch.testing.assert_close(values["VIF"], torch.full((2,), 2, dtype=dtype))  # nothing to lose
    assert values["EN"].tolist() == values["MI"].tolist() == [0, 0]
    if levels == (0, 0, 0):
        assert values["Qabf"].tolist() == [0, 0]


def test_an_image_that_ignores_both_sources_scores_low():
    fused, ir, vi = torch.rand(3, 4, 1, 64, 64).unbind()
    values = metrics.score((fused > 0.5).float(), ir, vi)
    assert (values["SSIM"].abs() < 0.1).all()
    assert (values["VIF"] < 0.1).all()


def test_histograms_round_to_the_nearest_level():
    near = torch.tensor([0.4, 1.4, 1.6, 254.6]).div(255).view(1, 1, 2, 2)  # levels 0, 1, 2, 255
    assert metrics.en(near).item() == pytest.approx(2)
    assert metrics.en(near[..., :1, :] * 0.7).item() == pytest.approx(1)  # 0.28, 0.98 -> 0, 1


@pytest.mark.parametrize("name", ["VIF", "Qabf", "SSIM"])
def test_gradients_reach_the_fused_image(name):
    # Unrounded noise, which has no edge of zero strength.
    fused, ir, vi = torch.rand(3, 1, 1, 64, 64, dtype=torch.float64).unbind()
    fused.requires_grad_()
    (gradient,) = torch.autograd.grad(METRICS[name](fused, ir, vi).sum(), fused)
    assert gradient.isfinite().all()
    step = 1e-6 * gradient / gradient.norm()
    low, high = (METRICS[name](x.detach(), ir, vi) for x in (fused - step, fused + step))
    assert (high - low).item() == pytest.approx(2e-6 * gradient.norm().item(), rel=1e-4)
