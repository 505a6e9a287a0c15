"""X-Restormer's block: counts, and overlapping attention against pixel by pixel loops."""

import pytest
import torch

from fusionlib.models.xrestormer import REACH, WINDOW, OverlappingAttention, XRestormerBlock
from tests.models.small_images import parameters


@pytest.mark.parametrize(
    ("channels", "heads", "count"),
    [(32, 1, 27_381), (32, 2, 29_430), (48, 1, 55_853), (64, 1, 94_857), (64, 2, 98_954),
     (64, 4, 107_148)],
)  # fmt: skip
def test_number_of_parameters(channels, heads, count):
    assert parameters(XRestormerBlock(channels, heads)) == count


def literal(attention, x):
    """The same, a query at a time, with keys taken from the image by their places."""
    (maps,) = x
    q, k, v = attention.copies(maps[None])[0].chunk(3)
    height, width = maps.shape[1:]
    seen = torch.zeros_like(q)
    for head in range(attention.heads):
        own = slice(16 * head, 16 * head + 16)
        for row in range(height):
            for column in range(width):
                top, left = row // WINDOW * WINDOW - 2, column // WINDOW * WINDOW - 2
                scores, values = [], []
                for down in range(REACH):
                    for across in range(REACH):
                        y, x_ = top + down, left + across
                        inside = 0 <= y < height and 0 <= x_ < width
                        key = k[own, y, x_] if inside else torch.zeros(16)
                        value = v[own, y, x_] if inside else torch.zeros(16)
                        place = attention.down[down - (row - top - 2) + 11]
                        place = place + attention.across[across - (column - left - 2) + 11]
                        scores.append(q[own, row, column] @ (key + place) / 4)
                        values.append(value)
                weights = torch.stack(scores).softmax(0)
                seen[own, row, column] = weights @ torch.stack(values)
    return attention.merge(seen[None])


@pytest.mark.parametrize("training", [False, True])
def test_attention_is_that_of_each_pixel(training):
    torch.manual_seed(0)
    attention = OverlappingAttention(6, heads=2)
    x = torch.randn(1, 6, 8, 16)
    with torch.set_grad_enabled(training):
        torch.testing.assert_close(attention(x), literal(attention, x), rtol=1e-4, atol=1e-5)


def test_a_pixel_sees_two_beyond_its_window_and_no_further():
    torch.manual_seed(0)
    attention = OverlappingAttention(4, heads=1)
    x = torch.randn(1, 4, 16, 16, requires_grad=True)
    attention(x)[0, :, 8:, 8:].sum().backward()
    reached = x.grad[0].abs().sum(0) > 0
    assert reached[6:, 6:].all()
    assert not reached[:6].any()
    assert not reached[:, :6].any()


def test_a_block_keeps_the_shape_and_every_weight_learns():
    block = XRestormerBlock(8, heads=2)
    block(torch.rand(2, 8, 16, 24)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters())
