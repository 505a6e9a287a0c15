"""SwinFusion: attention in windows against pixels one by one, what is left out, the stages."""

import pytest
import torch
from torch import nn

from fusionlib.models import create_model
from fusionlib.models.swinfusion import Fusion, SwinBlock, SwinFusion, WindowAttention
from tests.models.small_images import images, parameters

SIZES = [(8, 8), (8, 24), (24, 16)]


def drawn(module):
    """The module with weights so large that every one of them matters."""
    for weights in module.parameters():
        nn.init.normal_(weights, std=0.5)
    return module


def pixel_by_pixel(attention, x, seen, shift):
    """The attention of each pixel to those of its window, which shifted windows cut at the border.

    Nothing is rolled or masked here: windows shifted by 4 begin at rows -4, 4, 12, ... and what
    lies outside the image is not there.
    """
    _, height, width, _ = x.shape
    q, (k, v) = attention.query(x), attention.key_value(seen).chunk(2, -1)
    rows, columns = (t.flatten() for t in torch.meshgrid(
        torch.arange(height), torch.arange(width), indexing="ij"
    ))  # fmt: skip
    window = (rows + shift) // 8 * (width // 8 + 1) + (columns + shift) // 8
    found = torch.zeros_like(x)
    for row in range(height):
        for column in range(width):
            near = window == window[row * width + column]
            offset = (row - rows[near] + 7) * 15 + column - columns[near] + 7
            for head in range(6):
                mine = slice(10 * head, 10 * head + 10)
                keys, values = (t[:, rows[near], columns[near], mine] for t in (k, v))
                scores = (keys @ q[:, row, column, mine, None])[..., 0] / 10**0.5
                weights = (scores + attention.table[offset, head]).softmax(-1)
                found[:, row, column, mine] = (weights[..., None] * values).sum(1)
    return attention.merge(found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [0, 4])
def test_windows_are_those_of_pixels_one_by_one(size, shift):
    attention = drawn(WindowAttention(bool(shift)))
    x, seen = torch.randn(2, 2, *size, 60)
    with torch.no_grad():
        expected = pixel_by_pixel(attention, x, seen, shift)
        rolled = [maps.roll((-shift, -shift), (1, 2)) for maps in (x, seen)]
        fast = attention(*rolled).roll((shift, shift), (1, 2))
    trained = attention(*rolled).roll((shift, shift), (1, 2))
    torch.testing.assert_close(fast, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(trained.detach(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("index", [0, 1])
def test_a_block_adds_attention_and_then_its_feed_forward_part(index):
    block, x = drawn(SwinBlock(index)).eval(), torch.randn(1, 16, 8, 60)
    with torch.no_grad():
        normed = block.attention_norm(x)
        middle = x + pixel_by_pixel(block.attention, normed, normed, 4 * index)
        expand, gelu, reduce = block.feed_forward
        expected = middle + reduce(gelu(expand(block.forward_norm(middle))))
        torch.testing.assert_close(block(x), expected, atol=1e-4, rtol=1e-4)


def test_across_modalities_each_asks_the_other_at_once():
    unit = drawn(Fusion(0)).eval()
    a, b = torch.randn(2, 1, 8, 8, 60)
    with torch.no_grad():
        of_a, of_b = unit.within_ir(a), unit.within_vi(b)
        for shift, one, other in zip((0, 4), unit.across_ir, unit.across_vi):
            asked = one.attention_norm(of_a), other.attention_norm(of_b)
            of_a = of_a + pixel_by_pixel(one.attention, *asked, shift)
            of_b = of_b + pixel_by_pixel(other.attention, *asked[::-1], shift)
            of_a = of_a + one.feed_forward(one.forward_norm(of_a))
            of_b = of_b + other.feed_forward(other.forward_norm(of_b))
        for found, expected in zip(unit(a, b), (of_a, of_b)):
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_gradients_are_those_of_pixels_one_by_one():
    attention = drawn(WindowAttention(True))
    x = torch.randn(1, 16, 8, 60)
    found = []
    for take in (
        lambda: attention(*[x.roll((-4, -4), (1, 2))] * 2).roll((4, 4), (1, 2)),
        lambda: pixel_by_pixel(attention, x, x, 4),
    ):
        attention.zero_grad()
        (take() * torch.linspace(0, 1, 60)).square().mean().backward()
        found.append([weights.grad.clone() for weights in attention.parameters()])
    for fast, slow in zip(*found):
        torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-3)


def test_parts_have_the_published_sizes():
    model = create_model("swinfusion", 3)
    assert parameters(SwinBlock(0)) == 30_810
    assert parameters(model.extract_ir) == parameters(model.rebuild) == 123_240 + 120
    assert parameters(model.fuse) == 492_960
    assert parameters(model.merge) == 64_860
    decoder = parameters(model.rebuild) + parameters(model.decoder)
    assert (parameters(model) - decoder, decoder) == (830_970, 144_063)


def test_stages_shift_every_second_block_and_leave_out_more_and_more():
    model = SwinFusion()
    stages = [model.extract_ir[:-1], model.extract_vi[:-1], model.rebuild[:-1]]
    for kind in ("within_ir", "within_vi", "across_ir", "across_vi"):
        stages.append([block for unit in model.fuse for block in getattr(unit, kind)])
    for stage in stages:
        assert [block.shift for block in stage] == [0, 4, 0, 4]
        assert [block.attention.shifted for block in stage] == [False, True, False, True]
        assert [block.drop for block in stage] == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])


def test_a_change_is_left_out_for_whole_images_and_kept_on_average():
    block = SwinBlock(3).train()
    changes = block._dropped(torch.ones(20_000, 2, 1, 3)).flatten(1)
    assert torch.equal(changes, changes[:, :1].expand(-1, 6))
    left_out = changes[:, 0] == 0
    torch.testing.assert_close(changes[~left_out, 0], torch.full(((~left_out).sum(),), 1 / 0.9))
    assert left_out.float().mean() == pytest.approx(0.1, abs=0.01)  # 5 standard deviations
    assert torch.equal(block.eval()._dropped(changes), changes)


def test_what_is_left_out_follows_the_generator_that_checkpoints_keep():
    model, pair = SwinFusion().train(), images(8, 8, batch=8)
    with torch.no_grad():
        state = torch.get_rng_state()
        first, second = model(*pair), model(*pair)
        torch.set_rng_state(state)
        assert torch.equal(model(*pair), first)
        assert (first - second).abs().max() > 0


def test_the_mean_colour_is_taken_away_and_given_back():
    model = create_model("swinfusion", 3).eval()
    mean = torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]
    last = model.decoder[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        fused = model(*images(8, 8, channels=3))
        torch.testing.assert_close(fused, mean.expand_as(fused))
        # Images of the mean colour are black to the first layer.
        nothing = model.features(*(mean.expand(1, 3, 8, 8) for _ in range(2)))
        model.mean.zero_()
        black = model.features(*torch.zeros(2, 1, 3, 8, 8))
    torch.testing.assert_close(nothing, black)
    assert not create_model("swinfusion").mean.any()


def test_the_stages_follow_one_another():
    """Every stage begins with the one norm; modalities meet in the middle."""
    model = create_model("swinfusion").eval()
    for norm in (module for module in model.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.uniform_(norm.weight)  # a norm of what is normed would change nothing
        nn.init.normal_(norm.bias)
    ir, vi = images(8, 16)
    with torch.no_grad():
        a, b = (model.shallow(image).permute(0, 2, 3, 1) for image in (ir, vi))
        a, b = model.extract_ir(model.embed(a)), model.extract_vi(model.embed(b))
        a, b = model.embed(a), model.embed(b)
        for unit in model.fuse:
            a, b = unit(a, b)
        joined = torch.cat((model.norm_ir(a), model.norm_vi(b)), -1).permute(0, 3, 1, 2)
        maps = nn.functional.leaky_relu(model.merge[0](joined), 0.2)
        torch.testing.assert_close(model.features(ir, vi), maps, atol=1e-5, rtol=1e-5)
        again = model.rebuild(model.embed(maps.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        for layer, _ in model.decoder[:2]:
            again = nn.functional.leaky_relu(layer(again), 0.2)
        expected = model.decoder[2](again)
        torch.testing.assert_close(model.decode(maps), expected, atol=1e-5, rtol=1e-5)


def test_weights_begin_as_swins_do():
    model = SwinFusion()
    for layer in (module for module in model.modules() if isinstance(module, nn.Linear)):
        assert not layer.bias.any()
        assert layer.weight.detach().std() == pytest.approx(0.02, rel=0.1)
    tables = torch.cat([m.table for m in model.modules() if isinstance(m, WindowAttention)])
    assert tables.detach().std() == pytest.approx(0.02, rel=0.05)
