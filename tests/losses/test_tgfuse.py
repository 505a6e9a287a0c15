"""TGFuse's loss: which source a window should resemble."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.errors import FusionError
from fusionlib.losses import TGFuseLoss
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.tgfuse import variance
from fusionlib.losses.vgg import VGG, load_vgg


def test_variance_is_that_of_a_gaussian_window():
    image = torch.rand(1, 1, 20, 24)
    x = image[0, 0].double().numpy()
    mean, square = (ndimage.gaussian_filter(y, 1.5, mode="mirror", radius=5) for y in (x, x * x))
    np.testing.assert_allclose(variance(image)[0, 0], square - mean**2, atol=1e-6)


def test_each_window_is_held_against_the_source_that_varies_more():
    flat, busy = torch.full((1, 1, 24, 48), 0.5), torch.rand(1, 1, 24, 48)
    ir, vi = torch.cat((busy[..., :24], flat[..., 24:]), 3), flat.clone()
    vi[..., 24:] = busy[..., 24:]
    assert TGFuseLoss()(busy, ir, vi)["total"].item() < 0.1  # but for windows across the seam
    assert TGFuseLoss()(flat, ir, vi)["total"].item() > 0.9


def test_it_is_one_minus_the_mean():
    fused, ir, vi = torch.rand(3, 2, 1, 16, 16)
    larger = variance(ir) > variance(vi)
    expected = 1 - torch.where(larger, ssim_map(ir, fused), ssim_map(vi, fused)).mean()
    terms = TGFuseLoss(ssim=2)(fused, ir, vi)
    assert terms["ssim"].item() == pytest.approx(expected.item(), abs=1e-6)
    assert terms["total"].item() == pytest.approx(2 * expected.item(), abs=1e-5)


def test_flat_images_have_a_gradient():
    fused = torch.zeros(1, 1, 12, 12, requires_grad=True)
    TGFuseLoss()(fused, torch.zeros(1, 1, 12, 12), torch.zeros(1, 1, 12, 12))["total"].backward()
    assert fused.grad.isfinite().all()


def test_with_weights_of_vgg16_features_count_too(tmp_path):
    torch.manual_seed(0)
    torch.save(VGG("vgg16").state_dict(), tmp_path / "vgg16.pth")
    file = str(tmp_path / "vgg16.pth")
    fused, ir, vi = torch.rand(3, 1, 1, 16, 16)
    terms = TGFuseLoss(distance=0.5, vgg16=tmp_path / "vgg16.pth")(fused, ir, vi)
    network = load_vgg(file, "vgg16", fused.device)
    expected = sum(
        (network(fused, (tap,))[0] - network(source, (tap,))[0]).abs().mean()
        for tap, source in (((1, 2), vi), ((3, 3), ir))
    )
    assert terms["distance"].item() == pytest.approx(expected.item(), rel=1e-5)
    total = terms["ssim"] + 0.5 * expected
    assert terms["total"].item() == pytest.approx(total.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ssim": -1}, "ssim is a number of 0 or more, not -1"),
        ({"form": "literal"}, "'released' or 'paper', not 'literal'"),
        ({"ssim": 0}, "Every factor of the loss is 0"),
    ],
)
def test_what_makes_no_loss_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        TGFuseLoss(**values)
