"""TGFuse: its published size and work without its weights, the rest with narrow layers."""

import pytest
import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from fusionlib.models.tgfuse import TGFuse, _patches, _whole
from tests.models.small_images import flat, images, parameters, untrained


def narrow():
    return TGFuse(width=8, spectral=16, spatial=16)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return narrow().eval()


@pytest.fixture(scope="module")
def published():
    """The whole network without memory: 137 million weights are half a gigabyte."""
    with torch.device("meta"):
        return create_model("tgfuse")


def test_number_of_parameters(published):
    assert parameters(published) == 137_339_735
    assert parameters(published.spatial) == 136_415_248 + 2 * 2048  # 136.4 million
    assert parameters(published.last) == 65


def test_work_is_the_published_one(published):
    found = cost(published, 256, 256)
    assert round(found.macs / 1e9, 1) == 15.8
    # Convolutions, and a linear layer's weights for each token.
    encoders = sum(
        (256 >> scale) ** 2 * (channels * 64 + 2 * 9 * 64**2 + 64**2)
        for scale, channels in enumerate((2, 64, 64, 64))
    )
    ends = 256**2 * (2 * 2 + 64)
    tokens = {128: (4 * 64, 64, 256 * 2), 2048: (64, 64, 1024 + 16)}
    linear = sum(n * (width * ends + 4 * 8 * width**2) for width, (n, _, ends) in tokens.items())
    attention = sum(4 * n * seen * 2 * width for width, (n, seen, _) in tokens.items())
    assert found.macs == encoders + ends + linear + attention


def test_a_run_keeps_the_last_of_its_large_weights():
    assert TGFuse.heavy


@pytest.mark.parametrize("size", [(128, 128), (130, 40), (1, 1), (3, 200)])
def test_any_size_comes_back(model, size):
    ir, vi = images(*size, batch=1)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.shape == ir.shape
    assert fused.dtype == torch.float32
    assert fused.isfinite().all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_images_give_numbers_and_gradients(level):
    model = narrow().train()
    fused = model(*flat(128, 128, level))
    fused.mean().backward()
    assert fused.isfinite().all()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())


def test_decoded_features_are_the_fused_image(model):
    ir, vi = images(128, 128, batch=1)
    with torch.no_grad():
        features = model.features(ir, vi)
        assert torch.equal(model.decode(features), model(ir, vi))
    assert features.shape == (1, 8, 128, 128)


def test_every_weight_is_trained():
    torch.manual_seed(2)
    model = narrow().train()
    model(*images(128, 128)).square().mean().backward()
    assert untrained(model) == []


def test_patches_and_back():
    x = torch.rand(2, 3, 32, 48)
    patches = _patches(x, 16)
    assert patches.shape == (2, 2, 3, 3, 16, 16)
    assert torch.equal(patches[1, 1, 2, 0], x[1, 0, 16:, 32:])
    assert torch.equal(_whole(patches), x)


def test_weights_are_of_pixels_and_see_the_whole_image(model):
    x = torch.rand(1, 8, 32, 32)
    far = x.clone()
    far[..., -4:, -4:] += 1
    with torch.no_grad():
        weights, others = model.weights_of(x), model.weights_of(far)
    assert weights.shape == (1, 1, 32, 32)
    assert (weights - others)[..., :4, :4].abs().max() > 0


def test_the_scales_are_weighted_by_sums(model, monkeypatch):
    """With weights of 1 at an eighth, the larger scales get 1, 2 and 4."""
    monkeypatch.setattr(model, "weights_of", lambda x: torch.ones_like(x[:, :1]))
    ir, vi = images(128, 128, batch=1)
    with torch.no_grad():
        x, scales = model.enter(255 * torch.cat((ir, vi), 1)), []
        for encoder in model.encoders:
            scales.append(encoder(x))
            x = nn.functional.avg_pool2d(scales[-1], 2)
        expected = 4 * scales[0]
        for scale, factor in zip((1, 2, 3), (2, 1, 1)):
            expected += factor * nn.functional.interpolate(
                scales[scale], scale_factor=2**scale, mode="bilinear", align_corners=True
            )
        torch.testing.assert_close(model.features(ir, vi), expected, atol=1e-3, rtol=1e-4)


def test_under_autocast_it_gives_float32(model):
    ir, vi = images(128, 128, batch=1)
    with torch.no_grad():
        exact = model(ir, vi)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(ir, vi)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()


def test_colour_is_refused():
    with pytest.raises(FusionError, match=r"tgfuse was published for grey images: .*channels=1"):
        create_model("tgfuse", 3)
