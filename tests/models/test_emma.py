"""EMMA's U-Fuser: its parts' sizes, a block's two views, the scales against written-out ones."""

import pytest
import torch
from torch.nn import functional as F

from fusionlib.models import create_model
from fusionlib.models.emma import Block, Residual
from tests.models.small_images import images, parameters


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_have_the_published_sizes(channels):
    model = create_model("emma", channels)
    decoder = sum(map(parameters, (model.smallest, model.enlarge, model.last)))
    expected = {1: (1_117_392, 400_265), 3: (1_117_680, 400_411)}[channels]
    assert (parameters(model) - decoder, decoder) == expected


def mirrored(x, weight, bias=None, **others):
    return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, bias, **others)


def test_a_block_joins_what_spans_the_image_and_what_is_near():
    block, x = Block(6, 16), torch.randn(2, 6, 7, 5)
    with torch.no_grad():
        entered = mirrored(x, block.enter.weight)
        near = entered
        for residual in block.near:
            one, two = residual.first, residual.second
            hidden = mirrored(near, one.weight, one.bias).relu()
            near = near + mirrored(hidden, two.weight, two.bias)
        both = torch.cat((block.whole(entered), near), 1)
        expected = mirrored(both, block.leave.weight)
        torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_the_feed_forward_part_sees_two_channels_at_a_time_and_gates():
    layer, x = Block(1, 16).whole.feed_forward, torch.randn(1, 16, 6, 5)
    with torch.no_grad():
        hidden = F.conv2d(x, layer.expand.weight)
        assert hidden.shape[1] == 32
        hidden = mirrored(hidden, layer.around.weight, groups=16)
        gated = F.gelu(hidden[:, :16]) * hidden[:, 16:]
        expected = F.conv2d(gated, layer.reduce.weight)
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_the_attention_reads_its_copies_with_a_dense_convolution():
    layer, x = Block(1, 16).whole.attention, torch.randn(2, 16, 5, 6)
    with torch.no_grad():
        layer.temperature.uniform_(1, 3)
        copies = F.conv2d(F.conv2d(x, layer.copies.weight), layer.around.weight, padding=1)
        q, k, v = copies.view(2, 3, 8, 2, 30).unbind(1)  # (B, head, 2, pixels)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * layer.temperature
        seen = (scores.softmax(-1) @ v).reshape_as(x)
        expected = F.conv2d(seen, layer.merge.weight)
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_of_eight_channels_each_attends_to_itself():
    layer, x = Block(1, 8).whole.attention, torch.randn(1, 8, 5, 6)
    with torch.no_grad():
        values = F.conv2d(F.conv2d(x, layer.copies.weight), layer.around.weight, padding=1)[:, 16:]
        expected = F.conv2d(values, layer.merge.weight)
        torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-5)


def test_a_residual_keeps_what_enters():
    layer, x = Residual(3), torch.randn(1, 3, 4, 4)
    torch.nn.init.zeros_(layer.second.weight)
    torch.nn.init.zeros_(layer.second.bias)
    with torch.no_grad():
        assert torch.equal(layer(x), x)


def test_scales_are_fused_and_grow_back():
    model = create_model("emma", 3).eval()
    ir, vi = images(16, 24, channels=3)
    with torch.no_grad():
        fused, of = [], {"ir": ir, "vi": vi}
        for scale, fuse in enumerate(model.fuse):
            for side, encode in (("ir", model.encode_ir), ("vi", model.encode_vi)):
                if scale:
                    halve, block = encode[scale]
                    of[side] = block(mirrored(of[side], halve.weight, stride=2))
                else:
                    of[side] = encode[0](of[side])
            fused.append(fuse(torch.cat((of["ir"], of["vi"]), 1)))
        for found, expected in zip(model.features(ir, vi), fused, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        x = model.smallest(fused[3])
        for step, larger in zip(model.enlarge, fused[2::-1]):
            x = F.conv_transpose2d(x, step.up.weight, stride=2, padding=1).relu()
            assert x.shape == larger.shape
            x = step.block(torch.cat((x, larger), 1))
        expected = mirrored(x, model.last.weight, model.last.bias).sigmoid()
        torch.testing.assert_close(model(ir, vi), expected, atol=1e-5, rtol=1e-5)
