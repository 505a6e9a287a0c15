"""CDDFuse's losses against what they say, written out for single numbers."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity

from fusionlib.errors import FusionError
from fusionlib.losses import CDDFuseLoss
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.cddfuse import correlation, decomposition, strongest


def pair(*shape):
    return torch.rand(2, *shape).unbind(0)


def test_correlation_is_pearsons_of_every_channel():
    a, b = pair(2, 3, 5, 4)
    single = [np.corrcoef(x.flatten(), y.flatten())[0, 1]
              for x, y in zip(a.flatten(0, 1).numpy(), b.flatten(0, 1).numpy())]  # fmt: skip
    assert correlation(a, b).item() == pytest.approx(np.mean(single), abs=1e-5)
    assert correlation(a, 3 * a + 1).item() == pytest.approx(1, abs=1e-5)
    assert correlation(a, -a).item() == pytest.approx(-1, abs=1e-5)


def test_a_flat_channel_has_no_correlation_and_no_infinite_gradient():
    a, b = torch.full((1, 1, 4, 4), 0.3, requires_grad=True), torch.rand(1, 1, 4, 4)
    value = correlation(a, b)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert a.grad.isfinite().all()


def test_decomposition_wants_like_bases_and_unlike_details():
    a, b = pair(1, 2, 6, 6)
    assert decomposition((a, a), (b, b)).item() == pytest.approx(1 / 2.01, abs=1e-5)
    assert decomposition((a, -a), (b, b)).item() == pytest.approx(1 / 0.01, rel=1e-2)
    assert decomposition((a, a), (a, torch.ones_like(a))).item() == pytest.approx(0, abs=1e-6)


def test_edges_are_the_larger_ones_over_black():
    fused, ir, vi = torch.rand(3, 1, 1, 9, 7)

    def sobel(image):
        image = image[0, 0].numpy()
        return sum(abs(ndimage.sobel(image, axis, mode="constant")) for axis in (0, 1))

    expected = abs(sobel(fused) - np.maximum(sobel(ir), sobel(vi))).mean()
    assert strongest(fused, ir, vi).item() == pytest.approx(expected, abs=1e-5)


def features():
    return pair(1, 4, 16, 16), pair(1, 4, 16, 16)


def test_the_first_phase_written_out():
    again, sources, (base, detail) = pair(1, 1, 16, 16), pair(1, 1, 16, 16), features()
    terms = CDDFuseLoss().first(again, sources, base, detail)
    for name, image, source in zip(("ir", "vi"), again, sources):
        x, y = (t[0, 0].double().numpy() for t in (image, source))
        # Inside, where no window meets the border, skimage's is the same SSIM.
        assert terms[f"reconstruction_{name}"] > 0
        _, ssim = structural_similarity(
            x, y, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True,
            win_size=11,
        )  # fmt: skip
        ours = ssim_map(image, source)
        assert ours[0, 0, 8, 8].item() == pytest.approx(ssim[8, 8], abs=1e-4)
        expected = 5 * (1 - ours.mean().item()) / 2 + ((x - y) ** 2).mean()
        assert terms[f"reconstruction_{name}"].item() == pytest.approx(expected, abs=1e-5)
    x, y = (t[0, 0].numpy() for t in (again[1], sources[1]))
    slopes = [abs(ndimage.sobel(x, k, mode="nearest") - ndimage.sobel(y, k, mode="nearest")) / 8
              for k in (0, 1)]  # fmt: skip
    assert terms["vi_gradient"].item() == pytest.approx(np.mean(slopes), abs=1e-5)
    total = terms["reconstruction_ir"] + terms["reconstruction_vi"]
    total = total + 5 * terms["vi_gradient"] + 2 * decomposition(base, detail)
    assert terms["total"].item() == pytest.approx(total.item(), abs=1e-5)


def test_what_comes_back_whole_costs_its_features_alone():
    sources, (base, detail) = pair(1, 1, 16, 16), features()
    terms = CDDFuseLoss().first(sources, sources, base, detail)
    assert terms["total"].item() == pytest.approx(2 * decomposition(base, detail).item(), abs=1e-5)


def test_the_second_phase_written_out():
    fused, ir, vi = torch.rand(3, 2, 1, 8, 8)
    base, detail = features()
    terms = CDDFuseLoss(intensity=3).second(fused, (ir, vi), base, detail)
    intensity = (fused - torch.maximum(ir, vi)).abs().mean()
    total = 3 * intensity + 10 * strongest(fused, ir, vi) + 2 * decomposition(base, detail)
    assert terms["intensity"].item() == pytest.approx(intensity.item(), abs=1e-6)
    assert terms["total"].item() == pytest.approx(total.item(), abs=1e-5)


def test_the_published_phases_and_rates():
    loss, epoch = CDDFuseLoss(), 100  # steps of an epoch
    steps = 120 * epoch
    assert loss.turn(steps) == 40 * epoch
    rates = [loss.rate(1e-4, k * epoch, steps) for k in (0, 19, 20, 39, 40, 119)]
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5, 1e-4 / 32])
    late = [loss.rate(1e-4, k * epoch, steps, loss.turn(steps)) for k in (40, 59, 60, 119)]
    assert late == pytest.approx([1e-4, 1e-4, 5e-5, 1.25e-5])
    assert loss.rate(4e-6, 119 * epoch, steps) == 1e-6
    assert loss.rate(1e-7, 119 * epoch, steps) == 1e-7


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_phases_of_few_steps(steps):
    loss = CDDFuseLoss()
    assert 0 <= loss.turn(steps) < steps
    assert all(1e-6 <= loss.rate(1e-4, step, steps) <= 1e-4 for step in range(steps))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ssim": -1}, "ssim is a number of 0 or more, not -1"),
        ({"gradient": "x"}, "gradient is a number of 0 or more, not 'x'"),
        ({"floor": float("inf")}, "floor is a number of 0 or more, not inf"),
        ({"first_phase": 1}, r"first_phase is a share below 1, not 1\.0"),
        ({"halvings": 0}, "halvings is 1 or more, not 0"),
        ({"clip": 0}, "clip is above 0"),
    ],
)
def test_what_makes_no_loss_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        CDDFuseLoss(**values)


def test_one_setting_is_one_loss():
    assert CDDFuseLoss(ssim=5) == CDDFuseLoss()
    assert isinstance(CDDFuseLoss(ssim=5).ssim, float)
