"""SSVIF's fusion loss against a slow reference, one whose constants can be turned."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.errors import FusionError
from fusionlib.losses import LOSSES, BSPLoss, SSVIFLoss, default_loss

TOLERANCE = 2e-6
TERMS = ("intensity", "gradient", "ssim", "colour", "total")


@dataclasses.dataclass(frozen=True)
class Reference:
    """Eq. 3 in float64, one channel of one image at a time: (B, C, H, W) each."""

    window: int = 11
    sigma: float = 1.5
    c1: float = 1e-4
    c2: float = 9e-4
    ssim_border: str = "mirror"
    ssim_of_ir: float = 0.5
    sobel_border: str = "constant"
    across_channels: bool = False
    strongest: bool = True
    red: float = 0.299
    blue: float = 0.114
    factors: tuple[float, ...] = (20, 20, 10, 20)

    def mean(self, image):
        offsets = np.arange(self.window) - self.window // 2
        taps = np.exp(-(offsets**2) / (2 * self.sigma**2))
        for axis in (0, 1):
            image = ndimage.correlate1d(image, taps / taps.sum(), axis, mode=self.ssim_border)
        return image

    def ssim(self, x, y):
        mx, my = self.mean(x), self.mean(y)
        vx, vy = self.mean(x * x) - mx**2, self.mean(y * y) - my**2
        cov = self.mean(x * y) - mx * my
        luminance = (2 * mx * my + self.c1) / (mx**2 + my**2 + self.c1)
        return (luminance * (2 * cov + self.c2) / (vx + vy + self.c2)).mean()

    def slopes(self, image):
        return sum(abs(ndimage.sobel(image, axis, mode=self.sobel_border)) for axis in (0, 1))

    def chroma(self, image):
        red, green, blue = image
        y = self.red * red + (1 - self.red - self.blue) * green + self.blue * blue
        return np.stack(((blue - y) / (2 - 2 * self.blue), (red - y) / (2 - 2 * self.red)))

    def __call__(self, fused, ir, vi):
        ir = np.broadcast_to(ir, vi.shape)
        larger = np.maximum if self.strongest else np.add
        intensity, gradient, ssim, colour = [], [], [], []
        for f, i, v in zip(fused, ir, vi):
            for one, of_ir, of_vi in zip(f, i, v):
                intensity.append(abs(one - np.maximum(of_ir, of_vi)).mean())
                wanted = larger(self.slopes(of_ir), self.slopes(of_vi))
                gradient.append(abs(self.slopes(one) - wanted).mean())
                own = self.ssim_of_ir
                both = own * self.ssim(one, of_ir) + (1 - own) * self.ssim(one, of_vi)
                ssim.append(1 - both)
            if len(f) == 3:
                colour.append(abs(self.chroma(f) - self.chroma(v)).mean())
        terms = [np.mean(term or 0) for term in (intensity, gradient, ssim, colour)]
        return dict(zip(TERMS, [*terms, np.dot(self.factors, terms)]))


def batch(channels=3, ir_channels=1, height=20, width=24):
    """Dark and partly flat images, between which all constants count."""
    noise = np.random.default_rng(7).random((3, 2, 3, height, width))
    fused, ir, vi = ndimage.gaussian_filter(noise, (0, 0, 0, 1, 1)) * 0.4
    vi[:, :, 4:8] = 0.1
    ir[..., 16:] *= 0.02
    vi[..., 18:] *= 0.1
    fused = np.maximum(ir[:, :1], vi) + 0.1 * fused
    images = fused[:, :channels], ir[:, :ir_channels], vi[:, :channels]
    return tuple(image.astype(np.float32) for image in images)


def ours(images, **factors):
    return {k: v.item() for k, v in SSVIFLoss(**factors)(*map(torch.from_numpy, images)).items()}


def slow(images, **slips):
    return Reference(**slips)(*(image.astype(np.float64) for image in images))


@pytest.mark.parametrize("channels", [(3, 1), (3, 3), (1, 1)])
def test_every_term_agrees_with_the_reference(channels):
    images = batch(*channels)
    found, expected = ours(images), slow(images)
    assert tuple(found) == TERMS
    for name in TERMS:
        assert found[name] == pytest.approx(expected[name], abs=TOLERANCE, rel=1e-6), name


@pytest.mark.parametrize(
    ("slip", "term"),
    [
        ({"window": 9}, "ssim"),
        ({"sigma": 1.6}, "ssim"),
        ({"c1": 1.1e-4}, "ssim"),
        ({"c2": 10e-4}, "ssim"),
        ({"ssim_border": "constant"}, "ssim"),
        ({"ssim_of_ir": 0.49}, "ssim"),
        ({"sobel_border": "nearest"}, "gradient"),
        ({"strongest": False}, "gradient"),
        ({"red": 0.2126}, "colour"),
        ({"blue": 0.0722}, "colour"),
        ({"factors": (20, 20, 10, 19)}, "total"),
        ({"factors": (20, 20, 11, 20)}, "total"),
        ({"factors": (20, 19, 10, 20)}, "total"),
        ({"factors": (19, 20, 10, 20)}, "total"),
    ],
)
def test_a_wrong_constant_would_show(slip, term):
    images = batch()
    assert abs(ours(images)[term] - slow(images, **slip)[term]) > 5 * TOLERANCE


def test_a_grey_infrared_image_is_replicated():
    fused, ir, vi = batch()
    grey, replicated = ours((fused, ir, vi)), ours((fused, ir.repeat(3, 1), vi))
    assert grey == pytest.approx(replicated, abs=1e-6)


def test_grey_has_no_colour():
    terms = ours(batch(1, 1))
    assert terms["colour"] == 0
    assert ours(batch(1, 1), colour=7)["total"] == terms["total"]


def test_colour_does_not_see_luminance():
    _, ir, vi = batch()
    same = ours((vi + 0.25, ir, vi))
    assert same["colour"] == pytest.approx(0, abs=1e-6)
    assert same["intensity"] > 0.1
    # A red that is 0.1 too strong: Cr moves by half of that, Cb by 0.5 * 0.299 / 0.886 of it.
    vi[:] = 0.5
    redder = vi + np.float32([0.1, 0, 0])[:, None, None]
    expected = (0.5 + 0.5 * 0.299 / 0.886) / 2 * 0.1
    assert ours((redder, ir, vi))["colour"] == pytest.approx(expected, abs=1e-6)


def test_an_image_fused_with_itself_costs_nothing():
    image = torch.rand(2, 3, 16, 16)
    for name, value in SSVIFLoss()(image, image, image).items():
        assert abs(value.item()) < 1e-5, name


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_give_finite_derivatives(level):
    fused = torch.full((1, 3, 12, 12), level, requires_grad=True)
    SSVIFLoss()(fused, torch.zeros(1, 1, 12, 12), torch.ones(1, 3, 12, 12))["total"].backward()
    assert fused.grad.isfinite().all()


def test_half_precision_is_computed_in_float32():
    half = [torch.from_numpy(image).bfloat16() for image in batch()]
    found, full = SSVIFLoss()(*half)["total"], SSVIFLoss()(*(x.float() for x in half))["total"]
    assert found.dtype == torch.float32
    assert found == full


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 8, 8), (1, 8, 8), (3, 8, 8)), r"vi has the shape \(2, 3, 8, 8\) and fused \(2, 1"),
        (((3, 8, 8), (1, 8, 8), (1, 8, 8)), "vi has the shape"),
        (((3, 8, 8), (1, 8, 8), (3, 8, 9)), "vi has the shape"),
        (((1, 8, 8), (3, 8, 8), (1, 8, 8)), "ir has the shape"),
        (((3, 8, 8), (1, 8, 9), (3, 8, 8)), "ir has the shape"),
        (((2, 8, 8), (2, 8, 8), (2, 8, 8)), "fused has 1 channel or 3, grey or RGB, not 2"),
    ],
)
def test_images_that_do_not_compare_are_refused(shapes, message):
    with pytest.raises(FusionError, match=message):
        SSVIFLoss()(*(torch.rand(2, *shape) for shape in shapes))


def test_what_makes_no_loss_is_refused():
    with pytest.raises(FusionError, match="colour is a number of 0 or more, not -1"):
        SSVIFLoss(colour=-1)
    with pytest.raises(FusionError, match="Every factor of the loss is 0"):
        SSVIFLoss(0, 0, 0, 0)
    assert SSVIFLoss(intensity=20) == SSVIFLoss()


def test_a_spec_can_name_it_and_no_model_has_it_of_itself():
    assert LOSSES["SSVIFLoss"] is SSVIFLoss
    assert all(default_loss(name) == BSPLoss() for name in ("swinfusion", "seafusion", "emma"))
