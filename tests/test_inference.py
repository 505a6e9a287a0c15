import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from fusionlib import images
from fusionlib.errors import FusionError
from fusionlib.inference import PROTOCOLS, Protocol, fuse, fuse_tensor, to_levels

SIZES = [(130, 257), (64, 50), (20, 300), (128, 128), (192, 256)]


class Mean(nn.Module):
    """A pixel-wise model: what it gives for a pixel does not depend on the tile."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.seen = []

    def forward(self, ir, vi):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen.append(tuple(ir.shape))
        return self.scale * (ir + vi)


class Ramp(Mean):
    """Differs from pixel to pixel of a tile and from tile to tile, to see the weights."""

    def forward(self, ir, vi):
        height, width = ir.shape[-2:]
        place = torch.arange(float(height))[:, None] * 0.003 + torch.arange(float(width)) * 0.001
        return super().forward(ir, vi) + place * ir.mean((1, 2, 3), keepdim=True)


def random_pair(height, width, count=1):
    return torch.rand(count, 1, height, width), torch.rand(count, 1, height, width)


def tiled_by_the_book(model, ir, vi, starts):
    """The released protocol in NumPy's float64, for one image and given starts of tiles."""
    line = np.linspace(-3, 3, 128)
    weight = np.exp(-(line[:, None] ** 2 + line[None] ** 2) / 2)
    total, weights = np.zeros(ir.shape[-2:]), np.zeros(ir.shape[-2:])
    for y in starts[0]:
        for x in starts[1]:
            place = (..., slice(y, y + 128), slice(x, x + 128))
            with torch.inference_mode():
                tile = model.eval()(ir[place], vi[place])[0, 0].double().numpy()
            total[place] += weight * tile
            weights[place] += weight
    return gaussian_filter(total / weights, 0.3)


@pytest.mark.parametrize("size", [*SIZES, (480, 640)])
def test_tiling_a_pixelwise_model_only_blurs(size):
    ir, vi = random_pair(*size)
    fused = fuse_tensor(Mean(), ir, vi, "released")
    expected = gaussian_filter(((ir + vi) / 2)[0, 0].double().numpy(), 0.3)
    np.testing.assert_allclose(fused[0, 0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "starts"),
    [
        ((200, 330), ([0, 64, 72], [0, 64, 128, 192, 202])),
        # Flush with the border and at a multiple of 64: counted twice.
        ((192, 257), ([0, 64, 64], [0, 64, 128, 129])),
        ((128, 320), ([0, 0], [0, 64, 128, 192, 192])),
    ],
)
def test_tiles_are_where_the_released_code_puts_them(size, starts):
    ir, vi = random_pair(*size)
    ir[..., : size[1] // 2] *= 0.3  # tiles differ in their means
    fused = fuse_tensor(Ramp(), ir, vi, "released")[0, 0].numpy()
    np.testing.assert_allclose(fused, tiled_by_the_book(Ramp(), ir, vi, starts), atol=2e-6)


def test_a_480x640_image_takes_63_tiles_in_batches():
    model = Mean()
    fuse_tensor(model, *random_pair(480, 640), "released", batch=4)
    assert model.seen == [(4, 1, 128, 128)] * 15 + [(3, 1, 128, 128)]


@pytest.mark.parametrize("tiling", ["whole", "released"])
def test_neither_batch_changes_the_result(tiling):
    ir, vi = random_pair(150, 140, count=3)
    together = fuse_tensor(Ramp(), ir, vi, tiling, batch=5)
    for i in range(3):
        alone = fuse_tensor(Ramp(), ir[i : i + 1], vi[i : i + 1], tiling, batch=2)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)


def test_whole_shows_the_model_whole_images():
    model = Mean()
    fuse(model, *random_pair(50, 33, count=3), "plain", batch=2)
    assert model.seen == [(2, 1, 50, 33), (1, 1, 50, 33)]


def test_channels_are_kept():
    ir, vi = torch.rand(1, 3, 140, 100), torch.rand(1, 3, 140, 100)
    fused = fuse_tensor(Mean(), ir, vi, "released")
    for channel in range(3):
        alone = fuse_tensor(Mean(), ir[:, [channel]], vi[:, [channel]], "released")
        torch.testing.assert_close(fused[:, [channel]], alone, atol=1e-6, rtol=0)


def test_clip_rounds_half_up_between_0_and_1():
    values = torch.tensor([-0.3, 0.0, 0.49 / 255, 0.5 / 255, 2.5 / 255, 1.0, 1.7])
    levels = to_levels(values.view(1, 1, 1, -1), "clip") * 255
    assert levels.flatten().round().tolist() == [0, 0, 0, 1, 3, 255, 255]


def test_stretch_uses_each_images_own_extremes():
    fused = torch.randn(3, 1, 20, 30) * torch.tensor([0.1, 1, 7]).view(3, 1, 1, 1)
    expected = fused.double().numpy()
    low, high = expected.min((1, 2, 3), keepdims=True), expected.max((1, 2, 3), keepdims=True)
    expected = np.floor((expected - low) / (high - low) * 255 + 0.5)
    levels = images.to_uint8(to_levels(fused, "stretch"))
    np.testing.assert_array_equal(levels, expected)
    assert levels.min() == 0
    assert levels.max() == 255


def test_a_constant_image_becomes_zero_under_stretch():
    ir = torch.full((1, 1, 40, 40), 0.7)
    assert fuse(Mean(), ir, ir, "whole+stretch").eq(0).all()
    assert fuse(Mean(), ir, ir, "plain").mul(255).round().eq(179).all()


def test_levels_survive_a_file(tmp_path):
    fused = fuse(Mean(), *random_pair(30, 40), "plain")
    images.write(tmp_path / "fused.png", fused[0])
    assert torch.equal(images.read_grey(tmp_path / "fused.png"), fused[0])


def test_the_training_flags_come_back_even_after_an_error():
    class Broken(nn.Sequential):
        def forward(self, ir, vi):
            raise RuntimeError

    frozen = nn.BatchNorm2d(1).eval()
    model = Broken(nn.Conv2d(1, 1, 1), frozen)
    with pytest.raises(RuntimeError):
        fuse(model, *random_pair(8, 8))
    assert model.training
    assert model[0].training
    assert not frozen.training


def test_bfloat16_is_used_and_stays_close():
    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(2, 1, 3, padding=1)

        def forward(self, ir, vi):
            fused = self.layer(torch.cat((ir, vi), 1))
            self.dtype = fused.dtype
            return fused

    model, pair = Convolution(), random_pair(130, 130)
    for tiling in ("whole", "released"):
        exact = fuse_tensor(model, *pair, tiling)
        assert model.dtype == torch.float32
        rough = fuse_tensor(model, *pair, tiling, "bfloat16")
        assert model.dtype == torch.bfloat16
        assert rough.dtype == torch.float32
        torch.testing.assert_close(rough, exact, atol=0.02, rtol=0)


def test_names_of_protocols():
    assert Protocol.of("released") == Protocol("released", "stretch") == PROTOCOLS["released"]
    assert Protocol.of("whole+stretch") == Protocol("whole", "stretch")
    assert Protocol("whole", "stretch").name == "whole+stretch"
    for given in ("plain", "whole+clip", Protocol()):
        assert Protocol.of(given).name == "plain"


@pytest.mark.parametrize("name", ["relased", "whole+", "tiles+clip", "whole+streched"])
def test_unknown_protocols_are_refused(name):
    with pytest.raises(FusionError, match=r"whole|clip"):
        fuse(Mean(), *random_pair(8, 8), name)


def test_bad_arguments_are_refused():
    ir, vi = random_pair(20, 20)
    with pytest.raises(FusionError, match="one shape"):
        fuse(Mean(), ir, vi[..., 1:])
    with pytest.raises(FusionError, match="one shape"):
        fuse(Mean(), ir[0], vi[0])
    with pytest.raises(FusionError, match="precision"):
        fuse(Mean(), ir, vi, precision="float16")
    with pytest.raises(FusionError, match="NaN"):
        fuse(Mean(), ir * torch.nan, vi, "released")
