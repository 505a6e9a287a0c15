"""MMDRFuse's losses: closed forms on small images."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.errors import FusionError
from fusionlib.losses import MMDRFuseContent, MMDRFuseLoss
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.mmdrfuse import DEEP, LEVELS, SHALLOW, distillation, edges, gmsd, quality
from fusionlib.losses.vgg import VGG, load_vgg


@pytest.fixture
def images():
    return torch.rand(3, 2, 1, 16, 16).unbind(0)


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory):
    """A file of random weights."""
    file = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.manual_seed(0)
    torch.save(VGG("vgg19").state_dict(), file)
    return str(file)


def test_edges_have_eight_neighbours():
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8
    image = torch.rand(1, 1, 7, 9)
    expected = abs(ndimage.correlate(image[0, 0].double().numpy(), kernel, mode="mirror"))
    np.testing.assert_allclose(edges(image)[0, 0], expected, atol=1e-5)


def test_gmsd_written_out():
    x, y = torch.rand(2, 1, 1, 12, 10)

    def slope(image):
        image = image[0, 0].double().numpy().reshape(6, 2, 5, 2).mean((1, 3))
        parts = [ndimage.prewitt(image, axis, mode="constant") / 3 for axis in (0, 1)]
        return np.hypot(*parts)

    a, b = slope(x), slope(y)
    similar = (2 * a * b + 0.0026) / (a**2 + b**2 + 0.0026)
    assert gmsd(x, y).item() == pytest.approx(similar.std(), abs=1e-5)
    assert gmsd(x, x).item() == pytest.approx(0, abs=1e-6)


def test_quality_is_of_each_pair_and_higher_is_better(images):
    fused, ir, vi = images
    found = quality(fused, ir, vi)
    for row, (f, i, v) in zip(found, zip(*(x.split(1) for x in images))):
        ssim = ssim_map(i, f).mean() + ssim_map(v, f).mean()
        assert row[0].item() == pytest.approx(ssim.item(), abs=1e-5)
        assert row[1].item() == pytest.approx(-(gmsd(f, i) + gmsd(f, v)).item(), abs=1e-5)
    assert (quality(ir, ir, ir) > found).all()


def test_content_written_out(images):
    fused, ir, vi = images
    terms = MMDRFuseContent()(fused, ir, vi)
    intensity = (fused - torch.maximum(ir, vi)).abs().mean()
    gradient = (edges(fused) - torch.maximum(edges(ir), edges(vi))).square().mean()
    assert list(terms) == ["intensity", "gradient", "total"]
    assert terms["total"].item() == pytest.approx((2 * intensity + 0.1 * gradient).item(), rel=1e-5)


def test_with_weights_of_vgg19_content_has_five_levels(images, vgg19):
    fused, ir, vi = images
    terms = MMDRFuseContent(vgg19=vgg19)(fused, ir, vi)
    plain = MMDRFuseContent()(fused, ir, vi)
    network = load_vgg(vgg19, "vgg19", fused.device)
    levels = [
        (a - torch.maximum(b, c)).square().mean()
        for a, b, c in zip(*(network(x, LEVELS) for x in images))
    ]
    perceptual = sum(levels) / 5
    assert terms["perceptual"].item() == pytest.approx(perceptual.item(), rel=1e-5)
    assert terms["total"].item() == pytest.approx((plain["total"] + perceptual).item(), rel=1e-5)


def test_distillation_does_not_see_brightness():
    maps, image = torch.rand(2, 4, 5, 5), torch.rand(2, 1, 5, 5)
    assert distillation((3 * maps, image / 2), (maps, image)).item() == pytest.approx(0, abs=1e-6)
    # Sums over channels that have nothing in common are sqrt(2) apart.
    one, other = torch.zeros(2, 1, 1, 4, 4).unbind(0)
    one[..., 0], other[..., 1] = 1, 1
    assert distillation((one, one), (other, other)).item() == pytest.approx(2)
    assert distillation((one, image), (other, image)).item() == pytest.approx(1)


def test_distillation_of_dead_maps_is_finite():
    dead = torch.zeros(1, 4, 3, 3, requires_grad=True)
    value = distillation((dead, torch.ones(1, 1, 3, 3)), (torch.rand(1, 4, 3, 3),) * 2)
    value.backward()
    assert dead.grad.isfinite().all()


def refresh(fused, now, best, scores, **options):
    terms = MMDRFuseLoss(**options).refresh_terms(fused, now, best, scores)
    return [term.item() for term in terms.values()]


def test_refresh_is_how_much_worse_times_how_far(images):
    fused, first, second = images
    best = torch.cat((first, second), 1)
    now, scores = torch.tensor([[0.5, -0.4]] * 2), torch.tensor([[0.7, -0.3], [0.9, -0.3]])
    far = (fused - first).abs().mean()
    sharp = (edges(fused) - edges(second)).square().mean()
    assert refresh(fused, now, best, scores) == pytest.approx(
        [0.3 * far.item(), 0.1 * sharp.item()], rel=1e-4
    )


def test_what_is_better_is_not_held_back(images):
    fused, first, second = images
    best, now = torch.cat((first, second), 1), torch.tensor([[0.9, -0.2]] * 2)
    # As a batch: what one lost, the other won.
    scores = torch.tensor([[1.0, -0.2], [0.7, -0.3]])
    assert refresh(fused, now, best, scores) == [0, 0]


def test_pairs_that_were_not_met_count_for_nothing(images):
    fused, first, second = images
    best, now = torch.cat((first, second), 1), torch.tensor([[0.5, -0.4]] * 2)
    none = torch.full((2, 2), -torch.inf)
    assert refresh(fused, now, best, none) == [0, 0]
    scores = torch.tensor([[0.7, -0.3], [-torch.inf, -torch.inf]])
    alone = refresh(fused[:1], now[:1], best[:1], scores[:1])
    assert refresh(fused, now, best, scores) == pytest.approx(alone, rel=1e-5)
    assert min(alone) > 0


def test_the_gap_is_a_constant(images):
    fused, first, second = images
    fused = fused.clone().requires_grad_()
    best, scores = torch.cat((first, second), 1), torch.zeros(2, 2)
    terms = MMDRFuseLoss().refresh_terms(fused, -fused.mean() - torch.ones(2, 2), best, scores)
    (found,) = torch.autograd.grad(terms["refresh_ssim"], fused)
    gap = 1 + fused.mean().item()
    torch.testing.assert_close(found, gap * (fused - first).sign() / fused.numel())


def test_with_weights_of_vgg19_refresh_has_their_parts(images, vgg19):
    fused, first, second = images
    best = torch.cat((first, second), 1)
    now, scores = torch.zeros(2, 2), torch.ones(2, 2)
    network = load_vgg(vgg19, "vgg19", fused.device)
    parts = []
    for taps, other in ((DEEP, first), (SHALLOW, second)):
        pairs = zip(network(fused, taps), network(other, taps))
        parts.append(sum((a - b).square().mean() for a, b in pairs).item() / len(taps))
    plain = refresh(fused, now, best, scores)
    found = refresh(fused, now, best, scores, vgg19=vgg19)
    assert found == pytest.approx([a + b for a, b in zip(plain, parts)], rel=1e-4)


def test_a_loss_holds_the_content_of_both():
    loss = MMDRFuseLoss(vgg19="x.pth")
    assert loss.content == MMDRFuseContent(1, 2, 0.1, "x.pth")
    assert loss.teacher_content == MMDRFuseContent(vgg19="x.pth")
    assert [loss.turn(steps) for steps in (1, 2, 20)] == [0, 1, 10]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"refresh": -1}, "refresh is a number of 0 or more, not -1"),
        ({"teacher_share": 1.0}, "teacher_share is a share below 1"),
        ({"teacher": (1, 2)}, "teacher holds intensity, perceptual and gradient"),
        ({"teacher": (1, 2, None)}, "teacher is a number of 0 or more, not None"),
    ],
)
def test_what_makes_no_loss_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        MMDRFuseLoss(**values)
