"""The Transformer baseline: its size, any image, and its identity with the published form."""

import pytest
import torch
from torch.nn import functional as F

from fusionlib.models import create_model, load_trained
from fusionlib.models.bsp_transformer import ChannelAttention, LocalFusion, band
from tests.models.literal_steps import check_steps
from tests.models.literal_transformer import Attention, twin
from tests.models.small_images import images, off_by_autocast


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return create_model("bsp-transformer").eval()


def test_number_of_parameters(model):
    assert sum(weight.numel() for weight in model.parameters()) == 187_417
    # Three channels: four inputs more to the first layer, two outputs more of the last.
    three = create_model("bsp-transformer", 3)
    assert sum(weight.numel() for weight in three.parameters()) == 187_417 + 4 * 16 + 2 * 33


@pytest.mark.parametrize("size", [(32, 48), (33, 50), (35, 36), (3, 5), (2, 2), (1, 1), (1, 40)])
def test_any_size_comes_back(model, size):
    ir, vi = images(*size)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.shape == ir.shape
    assert fused.isfinite().all()
    assert fused.abs().max() <= 1


def test_three_channels():
    ir, vi = images(20, 30, channels=3)
    assert create_model("bsp-transformer", 3)(ir, vi).shape == (2, 3, 20, 30)


def test_decoded_features_are_the_fused_image(model):
    ir, vi = images(16, 24)
    with torch.no_grad():
        features = model.features(ir, vi)
        assert torch.equal(model.decode(features), model(ir, vi))
    shapes = [tuple(feature.shape) for feature in features]
    assert shapes == [(2, 32, 16, 24), (2, 64, 8, 12), (2, 128, 4, 6)]


@pytest.mark.parametrize(("channels", "size"), [(2, (3, 5)), (16, (8, 9)), (32, (4, 4))])
def test_attention_is_an_identity_with_the_published_one(channels, size):
    """Output and every gradient, in float64, also with temperatures that differ."""
    ours, theirs = ChannelAttention(channels).double(), Attention(channels).double()
    with torch.no_grad():
        ours.temperature.copy_(torch.rand(1, 8, 1, 1) * 10)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, channels, *size, dtype=torch.float64, requires_grad=True)
    expected = theirs(x)
    pixels = x.flatten(2).mT
    made = ours(pixels).mT.unflatten(2, size)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-13)
    target = torch.randn_like(expected)
    gradients = [
        torch.autograd.grad((out * target).sum(), [x, *layer.parameters()])
        for out, layer in ((made, ours), (expected, theirs))
    ]
    for mine, published in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, published, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("slip", ["norm", "key offset", "head order", "temperature"])
def test_the_identity_would_show_a_slip(slip, monkeypatch):
    ours, theirs = ChannelAttention(8).double(), Attention(8).double()
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        if slip == "norm":
            monkeypatch.setattr(F, "normalize", lambda x, dim: x * x.shape[-1] ** -0.5)
        elif slip == "key offset":
            ours.copies.bias.view(8, 3, 8)[:, 1] *= 1.01
        elif slip == "head order":
            ours.merge.weight.copy_(ours.merge.weight.flip(1))
        else:
            ours.temperature.mul_(1.01)
        x = torch.rand(1, 8, 6, 6, dtype=torch.float64)
        made = ours(x.flatten(2).mT).mT.unflatten(2, (6, 6))
        assert (made - theirs(x)).abs().max() > 1e-8


def test_attention_of_constant_channels_is_finite():
    layer = ChannelAttention(4)
    x = torch.zeros(1, 9, 4, requires_grad=True)
    with torch.no_grad():
        layer.copies.bias.zero_()  # queries and keys of length 0, as F.normalize meets them
    out = layer(x)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()
    torch.testing.assert_close(out, layer.merge.bias.expand_as(out))


def test_the_gate_looks_at_three_pixels_and_three_channels():
    layer = LocalFusion(4, 8).eval()
    with torch.no_grad():
        layer.expand.weight.zero_()
        layer.expand.bias.fill_(1.0)
        layer.reduce.weight.copy_(torch.eye(4, 8))
        layer.reduce.bias.zero_()
    # A pixel of a neighbouring row's end counts, one two places away does not.
    layer.expand.weight.data[2, 0] = 1.0
    x = torch.zeros(1, 4, 2, 3)
    x[0, 0, 1, 0] = 5.0  # the fourth pixel in reading order
    changed = (layer(x) - layer(torch.zeros_like(x))).abs().amax(1).flatten() > 1e-6
    assert changed.tolist() == [False, False, True, True, True, False]
    # Hidden channel 2 gates channels 1 to 3 only.
    channels = (layer(x) - layer(torch.zeros_like(x))).abs().amax((2, 3))[0] > 1e-6
    assert channels.tolist() == [False, True, True, True]


def test_the_band():
    assert band(4).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]


def test_the_network_equals_the_published_form():
    model = create_model("bsp-transformer").double()
    ir, vi = images(20, 24, dtype=torch.float64)
    torch.testing.assert_close(model(ir, vi), twin(model)(ir, vi), rtol=0, atol=1e-12)


def test_twenty_steps_have_the_published_losses_and_gradients():
    ours = create_model("bsp-transformer")
    check_steps(ours, twin(ours), side=32, batch=2)


@pytest.mark.parametrize("share", [0, 0.01])
@pytest.mark.parametrize("levels", [(160, 95), (128, 128), (0, 0), (255, 0), (37, 90)])
def test_flat_images_do_not_cancel(levels, share):
    """Constant sources, or some pixels one grey level off, in float32."""
    torch.manual_seed(0)
    model = load_trained("bsp-transformer")  # where it shows more than in new weights
    sources = [level / 255 + (torch.rand(1, 1, 64, 64) < share) / 255 for level in levels]
    with torch.no_grad():
        exact = twin(model).double()(*(image.double() for image in sources))
        torch.testing.assert_close(model(*sources).double(), exact, rtol=0, atol=1e-4)


def test_every_weight_is_trained():
    model = create_model("bsp-transformer").train()
    model(*images(16, 16)).square().mean().backward()
    for name, weights in model.named_parameters():
        assert weights.grad.isfinite().all(), name
        assert weights.grad.abs().max() > 0, name


def test_in_eval_mode_an_image_does_not_depend_on_its_batch(model):
    ir, vi = images(16, 24, batch=3)
    with torch.no_grad():
        together = model(ir, vi)
        torch.testing.assert_close(model(ir[1:2], vi[1:2]), together[1:2], atol=1e-6, rtol=0)


def test_under_autocast_it_stays_close(model):
    assert off_by_autocast(model, 32) < 0.01


def test_the_sources_are_not_changed(model):
    ir, vi = images(16, 24)
    kept = ir.clone(), vi.clone()
    model(ir, vi)
    assert torch.equal(ir, kept[0])
    assert torch.equal(vi, kept[1])
