"""The losses against a slow reference, one whose constants can be turned."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import FORMS, mix, normalise, ssim_map, weight

TOLERANCE = 1e-6
TERMS = ("intensity", "gradient", "ssim", "total")


@dataclasses.dataclass(frozen=True)
class Reference:
    """Eq. 2-6 of Beyond Strict Pairing in float64, one image and one step at a time."""

    form: str
    sigma: float = 1.5
    window: int = 11
    border: str = "mirror"
    c1: float = 1e-4
    c2: float = 9e-4
    weight_eps: float = 1e-8
    sobel_eps: float = 1e-8
    sobel_border: str = "nearest"
    gradient_factor: float = 1.0
    ssim_factor: float = 0.2
    min_max: bool | None = None
    scalar_ssim: bool | None = None

    def mean(self, image):
        offsets = np.arange(self.window) - self.window // 2
        taps = np.exp(-(offsets**2) / (2 * self.sigma**2))
        for axis in (0, 1):
            image = ndimage.correlate1d(image, taps / taps.sum(), axis, mode=self.border)
        return image

    def ssim(self, x, y):
        mx, my = self.mean(x), self.mean(y)
        vx, vy = self.mean(x * x) - mx**2, self.mean(y * y) - my**2
        cov = self.mean(x * y) - mx * my
        luminance = (2 * mx * my + self.c1) / (mx**2 + my**2 + self.c1)
        return luminance * (2 * cov + self.c2) / (vx + vy + self.c2)

    def sobel(self, image):
        gx, gy = (ndimage.sobel(image, axis, mode=self.sobel_border) for axis in (0, 1))
        return np.sqrt(gx**2 + gy**2 + self.sobel_eps)

    def gradients(self, batch):
        maps = np.stack([self.sobel(image) for image in batch])
        released = self.form == "released" if self.min_max is None else self.min_max
        return (maps - maps.min()) / (maps.max() - maps.min()) if released else maps

    def mixture(self, a, b):
        both = a + b + self.weight_eps
        return a / both * a + b / both * b

    def __call__(self, fused, ir, vi):
        scalar = self.form == "released" if self.scalar_ssim is None else self.scalar_ssim
        s_ir = np.stack([self.ssim(x, y) for x, y in zip(ir, fused)])
        s_vi = np.stack([self.ssim(x, y) for x, y in zip(vi, fused)])
        if scalar:
            s_ir, s_vi = s_ir.mean(), s_vi.mean()
        if self.form == "clipped":
            s_ir, s_vi = np.maximum(s_ir, 0), np.maximum(s_vi, 0)
        g_fused, g_ir, g_vi = (self.gradients(batch) for batch in (fused, ir, vi))
        terms = {
            "intensity": np.abs(fused - self.mixture(ir, vi)).mean(),
            "gradient": np.abs(g_fused - self.mixture(g_ir, g_vi)).mean(),
            "ssim": np.abs(1 - self.mixture(s_ir, s_vi)).mean(),
        }
        factors = (1, self.gradient_factor, self.ssim_factor)
        return {**terms, "total": np.dot(factors, list(terms.values()))}


def batch(height=40, width=32):
    """Dark, partly flat and partly black images: there the small constants count."""
    source = np.random.default_rng(7)
    images = ndimage.gaussian_filter(source.random((3, 3, height, width)), (0, 0, 1, 1)) * 0.3
    images[:, :, 8:16] = 0.1
    images[:, :, 16:22] = 0
    images[1, :, :, 20:] = images[2, :, :, 20:]  # SSIM is not negative everywhere
    fused = np.maximum(images[1], images[2]) + 0.02 * images[0]
    return tuple(x[:, None].astype(np.float32) for x in (fused, images[1], images[2]))


def ours(form, **factors):
    terms = BSPLoss(form=form, **factors)(*map(torch.from_numpy, batch()))
    return {name: value.item() for name, value in terms.items()}


def slow(reference):
    return reference(*(x[:, 0].astype(np.float64) for x in batch()))


@pytest.mark.parametrize("form", FORMS)
def test_every_term_agrees_with_the_reference(form):
    found, expected = ours(form), slow(Reference(form))
    assert tuple(found) == TERMS
    for name in TERMS:
        assert found[name] == pytest.approx(expected[name], abs=TOLERANCE, rel=0), name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("slip", "term"),
    [
        ({"sigma": 1.6}, "ssim"),
        ({"window": 9}, "ssim"),
        ({"border": "nearest"}, "ssim"),
        ({"c1": 1.1e-4}, "ssim"),
        ({"c2": 10e-4}, "ssim"),
        ({"weight_eps": 1e-5}, "intensity"),
        ({"sobel_eps": 1e-5}, "gradient"),
        ({"sobel_border": "mirror"}, "gradient"),
        ({"gradient_factor": 1.01}, "total"),
        ({"ssim_factor": 0.21}, "total"),
    ],
)
def test_a_wrong_constant_would_show(form, slip, term):
    wrong = slow(Reference(form, **slip))
    assert abs(ours(form)[term] - wrong[term]) > 3 * TOLERANCE


def test_the_printed_weights_have_a_pole_and_the_clipped_ones_have_none():
    # SSIM of -0.3 and just above 0.3: they sum to nearly 0.
    similar = torch.tensor([-0.3, 0.3001])
    assert mix(*similar).abs() > 100
    assert mix(*similar.clamp_min(0)) == pytest.approx(0.3001)
    # A negative of its sources is where a network may begin.
    image = torch.rand(1, 1, 32, 32)
    terms = {form: BSPLoss(form=form)(1 - image, image, image.flip(3))["ssim"] for form in FORMS}
    assert terms["paper"] > 2
    assert terms["clipped"] <= 1


@pytest.mark.parametrize(("form", "other"), [("released", False), ("paper", True)])
def test_a_mixture_of_the_forms_would_show(form, other):
    found = ours(form)
    no_range = slow(Reference(form, min_max=other))
    no_mean = slow(Reference(form, scalar_ssim=other))
    assert abs(found["gradient"] - no_range["gradient"]) > 1e-3
    assert abs(found["ssim"] - no_mean["ssim"]) > 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_an_image_fused_with_itself_costs_nothing(form):
    image = torch.rand(2, 1, 24, 24)
    for name, value in BSPLoss(form=form)(image, image, image).items():
        assert abs(value.item()) < 1e-6, name


@pytest.mark.parametrize("form", FORMS)
def test_the_sources_may_change_places(form):
    fused, ir, vi = map(torch.from_numpy, batch())
    one, other = BSPLoss(form=form)(fused, ir, vi), BSPLoss(form=form)(fused, vi, ir)
    for name in TERMS:
        assert one[name].item() == pytest.approx(other[name].item(), abs=1e-7)


def test_total_weights_the_terms():
    terms = ours("released", intensity=3.0, gradient=0.5, ssim=2.0)
    plain = ours("released")
    assert all(terms[name] == plain[name] for name in TERMS[:3])
    expected = 3 * terms["intensity"] + 0.5 * terms["gradient"] + 2 * terms["ssim"]
    assert terms["total"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("off", TERMS[:3])
def test_a_factor_of_0_drops_its_term(off):
    factors = {"intensity": 1.0, "gradient": 1.0, "ssim": 0.2, off: 0.0}
    terms, full = ours("released", **factors), ours("released")
    assert off not in terms
    expected = sum(factors[name] * full[name] for name in TERMS[:3])
    assert terms["total"] == pytest.approx(expected, rel=1e-6)


def test_no_term_and_an_unknown_form_are_refused():
    with pytest.raises(FusionError, match="Every factor of the loss is 0"):
        BSPLoss(intensity=0, gradient=0, ssim=0)
    with pytest.raises(FusionError, match="released or paper or clipped, not 'literal'"):
        BSPLoss(form="literal")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("levels", [(0, 0, 0), (0.5, 0.5, 0.5), (1, 1, 1), (0, 1, 0), (0.2, 0, 1)])
def test_flat_images_give_finite_derivatives(form, levels):
    fused, ir, vi = (torch.full((2, 1, 16, 16), float(level)) for level in levels)
    fused.requires_grad_()
    terms = BSPLoss(form=form)(fused, ir, vi)
    terms["total"].backward()
    assert all(value.isfinite() for value in terms.values())
    assert fused.grad.isfinite().all()


def test_going_down_the_slope_lowers_the_loss():
    fused, ir, vi = map(torch.from_numpy, batch())
    for form in FORMS:
        loss, image = BSPLoss(form=form), fused.clone().requires_grad_()
        before = loss(image, ir, vi)["total"]
        (slope,) = torch.autograd.grad(before, image)
        after = loss(image - 1e-4 * slope / slope.norm(), ir, vi)["total"]
        assert after < before


def test_half_precision_is_computed_in_float32():
    fused, ir, vi = (torch.from_numpy(x).bfloat16() for x in batch())
    half, full = BSPLoss()(fused, ir, vi), BSPLoss()(fused.float(), ir.float(), vi.float())
    assert half["total"].dtype == torch.float32
    assert half["total"] == full["total"]


def test_ssim_map_of_an_image_with_itself_and_with_its_negative():
    image = torch.rand(1, 1, 20, 20)
    torch.testing.assert_close(ssim_map(image, image), torch.ones_like(image))
    assert ssim_map(image, 1 - image).mean() < 0


def test_weights_are_shares():
    a, b = torch.rand(50), torch.rand(50)
    torch.testing.assert_close(weight(a, b) + weight(b, a), torch.ones(50), atol=1e-5, rtol=0)
    assert weight(torch.tensor(0.3), torch.tensor(0.1)).item() == pytest.approx(0.75)
    assert weight(torch.zeros(1), torch.zeros(1)).item() == 0
    assert weight(torch.tensor(1e-8), torch.zeros(1)).item() == pytest.approx(0.5)


def test_normalise_ranges_over_the_whole_batch():
    maps = torch.stack((torch.linspace(1, 2, 9), torch.linspace(2, 5, 9)))
    torch.testing.assert_close(normalise(maps), (maps - 1) / 4)
