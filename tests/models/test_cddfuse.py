"""CDDFuse: its published size and work, the sizes it takes, and its two branches."""

import pytest
import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cddfuse import Coupling
from fusionlib.models.cost import cost
from fusionlib.models.restormer import ChannelAttention, ChannelNorm, GatedFeedForward, PairedConv
from tests.models.small_images import flat, images, off_by_autocast, parameters, untrained

# Multiply-accumulates of the convolutions for 256 x 256, as thop counts.
PUBLISHED_MACS = 116.85e9


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return create_model("cddfuse").eval()


def test_number_of_parameters(model):
    parts = (model.encoder, model.decoder, model.base_fusion, model.detail_fusion)
    assert [parameters(part) for part in parts] == [599_144, 207_936, 363_016, 18_176]
    assert parameters(model) == 1_188_272


def test_work_is_the_published_one_and_that_of_the_attention():
    with torch.device("meta"):
        found = cost(create_model("cddfuse"), 256, 256)
    # Scores and what they weight: 8 heads of 8 channels, in 12 shared blocks and 3 base branches
    # (4 and 1 for each source, 4 and 1 for both).
    attention = 256 * 256 * 15 * 2 * 8 * 8 * 8
    assert found.macs - attention == pytest.approx(PUBLISHED_MACS, rel=1e-4)
    assert found.parameters == 1_188_272


@pytest.mark.parametrize("size", [(16, 24), (17, 9), (2, 3), (1, 1), (1, 20)])
def test_any_size_comes_back(model, size):
    ir, vi = images(*size)
    with torch.no_grad():
        fused = model(ir, vi)
    assert fused.shape == ir.shape
    assert fused.dtype == torch.float32
    assert 0 < fused.min() < fused.max() < 1 or size == (1, 1)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_images_give_numbers_and_gradients(level):
    model = create_model("cddfuse")
    ir, vi = flat(12, 12, level)
    fused = model(ir, vi)
    fused.mean().backward()
    assert fused.isfinite().all()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())


def test_decoded_features_are_the_fused_image(model):
    ir, vi = images(10, 12)
    with torch.no_grad():
        features = model.features(ir, vi)
        assert torch.equal(model.decode(features), model(ir, vi))
    assert [tuple(part.shape) for part in features] == [(2, 64, 10, 12), (2, 64, 10, 12), ir.shape]


def test_each_source_is_encoded_for_itself(model):
    ir, vi = images(10, 12)
    with torch.no_grad():
        base, detail = model.encode(torch.cat((ir, vi)))
        joined = model.join(*zip(base.chunk(2), detail.chunk(2)))
        for both, alone in zip((base, detail), model.encode(vi)):
            torch.testing.assert_close(both.chunk(2)[1], alone, atol=1e-5, rtol=1e-5)
        for part, expected in zip(joined, model.features(ir, vi)):
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-5)


def test_the_decoder_changes_the_image_that_it_is_given(model):
    ir, vi = images(8, 8)
    nothing = torch.zeros(2, 64, 8, 8)
    with torch.no_grad():
        change = model.decoder(torch.cat((nothing, nothing), 1))
        assert torch.equal(change, torch.zeros_like(vi))  # no layer of the decoder has a bias
        torch.testing.assert_close(model.decode((nothing, nothing, ir)), ir.sigmoid())


def test_every_weight_is_trained():
    model = create_model("cddfuse").train()
    model(*images(12, 12)).square().mean().backward()
    assert untrained(model) == []


def test_attention_is_of_the_channels_of_a_head_to_each_other():
    torch.manual_seed(0)
    layer, x = ChannelAttention(6, 3, groups=18), torch.rand(2, 6, 5, 4)
    nn.init.uniform_(layer.temperature)
    q, k, v = layer.around(layer.copies(x)).flatten(2).chunk(3, 1)
    seen = torch.zeros_like(v)
    for head in range(3):
        mine = slice(2 * head, 2 * head + 2)
        unit_q, unit_k = (nn.functional.normalize(part[:, mine], dim=2) for part in (q, k))
        scores = (unit_q @ unit_k.mT) * layer.temperature[head]
        seen[:, mine] = scores.softmax(-1) @ v[:, mine]
    expected = layer.merge(seen.view_as(x))
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-6)


def test_the_first_half_gates_the_second():
    layer, x = GatedFeedForward(3, 4), torch.rand(1, 3, 5, 5)
    hidden = layer.around(layer.expand(x))
    expected = layer.reduce(nn.functional.gelu(hidden[:, :4]) * hidden[:, 4:])
    torch.testing.assert_close(layer(x), expected)


def test_two_depthwise_convolutions_are_the_paired_one():
    layer, x = PairedConv(6), torch.rand(2, 6, 5, 4)
    mirrored = nn.functional.pad(x, (1, 1, 1, 1), "reflect")
    expected = nn.functional.conv2d(mirrored, layer.weight, groups=3)
    torch.testing.assert_close(layer(x), expected)


def test_the_norm_is_over_channels():
    x = 3 + 5 * torch.rand(2, 64, 3, 4)
    norm = ChannelNorm(64)(x)
    torch.testing.assert_close(norm.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(norm.std(1, correction=0), torch.ones(2, 3, 4), atol=1e-3, rtol=0)


def test_a_coupling_can_be_undone():
    torch.manual_seed(0)
    layer, x = Coupling(), torch.rand(1, 64, 6, 6)
    with torch.no_grad():
        z1, z2 = layer(x).chunk(2, 1)
        z1 = (z1 - layer.eta(z2)) / layer.rho(z2).exp()
        z2 = z2 - layer.phi(z1)
        torch.testing.assert_close(torch.cat((z1, z2), 1), layer.mix(x), atol=1e-5, rtol=1e-5)


def test_under_autocast_it_gives_float32(model):
    assert off_by_autocast(model, 16) < 0.02


def test_colour_is_refused():
    with pytest.raises(FusionError, match=r"cddfuse was published for grey images: .*channels=1"):
        create_model("cddfuse", 3)
