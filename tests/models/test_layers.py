"""Two convolutions in a row as one: the identity, to the border, with its gradients."""

import pytest
import torch
from torch import nn

from fusionlib.models.layers import in_a_row

SIZES = [(7, 4), (2, 2), (2, 5), (5, 2), (3, 3), (1, 3), (3, 1), (1, 1)]


def layers(dtype=torch.float64, side=3):
    first, second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(8, 4, side, padding=side // 2)
    return first.to(dtype), second.to(dtype)


def as_drawn(first, second, x, beside):
    return second(torch.cat((first(x), beside), 1))


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_it_equals_the_two_with_every_gradient(size, side):
    first, second = layers(side=side)
    x, beside = torch.rand(2, 3, *size).double(), torch.rand(2, 2, *size).double()
    leaves = [x.requires_grad_(), beside.requires_grad_()]
    leaves += [*first.parameters(), *second.parameters()]
    values, gradients = [], []
    for function in (in_a_row, as_drawn):
        out = function(first, second, x, beside)
        values.append(out)
        target = torch.arange(out.numel(), dtype=out.dtype).view_as(out).sin()
        gradients.append(torch.autograd.grad((out * target).sum(), leaves))
    torch.testing.assert_close(*values, rtol=0, atol=1e-13)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_border_alone_would_show_a_slip():
    """One 5x5 convolution without the correction is right inside, and wrong around."""
    first, second = layers()
    x, beside = torch.rand(1, 3, 8, 9).double(), torch.zeros(1, 2, 8, 9).double()
    kernel = second.weight[:, :6]
    merged = nn.functional.conv_transpose2d(kernel, first.weight)
    constant = second.bias + kernel.sum((2, 3)) @ first.bias
    plain = nn.functional.conv2d(x, merged, constant, padding=2)
    wrong = (plain - in_a_row(first, second, x, beside)).abs().amax((0, 1)) > 1e-6
    assert wrong[0].all()
    assert wrong[-1].all()
    assert wrong[:, 0].all()
    assert wrong[:, -1].all()
    assert not wrong[1:-1, 1:-1].any()


def test_under_autocast_what_stands_beside_is_not_rounded():
    first, second = layers(torch.float32)
    nn.init.zeros_(first.weight)
    nn.init.zeros_(first.bias)
    x, beside = torch.rand(1, 3, 6, 6), torch.rand(1, 2, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = in_a_row(first, second, x, beside)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, as_drawn(first, second, x, beside), rtol=0, atol=1e-6)
