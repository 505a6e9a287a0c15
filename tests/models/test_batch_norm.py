"""Batch normalisation of few channels: PyTorch's values, gradients and statistics."""

import pytest
import torch
from torch import nn

from fusionlib.models.batch_norm import BatchNorm

SHAPES = [(2, 8, 6, 5), (3, 20, 4, 7), (1, 4, 1, 9), (2, 16, 3, 3), (2, 120, 2, 3)]


def twins(channels, dtype=torch.float64):
    ours, theirs = BatchNorm(channels).to(dtype), nn.BatchNorm2d(channels).to(dtype)
    for weight in ours.parameters():
        nn.init.uniform_(weight, -2, 2)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def images(shape, dtype=torch.float64):
    x = torch.randn(shape, dtype=dtype) * 3 + torch.randn(shape[1], 1, 1, dtype=dtype)
    return x.to(memory_format=torch.channels_last).requires_grad_()


def results(layer, x, target):
    y = layer(x)
    gradients = torch.autograd.grad((y * target).sum(), [x, *layer.parameters()])
    return [y, *gradients, *layer.buffers()]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_pytorchs_layer(shape):
    ours, theirs = twins(shape[1])
    for _ in range(2):  # statistics run on
        x, target = images(shape), torch.randn(shape, dtype=torch.float64)
        for own, other in zip(results(ours, x, target), results(theirs, x, target), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x), theirs(x))


def test_its_own_gradient_is_the_numerical_one():
    ours, _ = twins(3)
    x = images((2, 3, 3, 2))
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(ours, {"weight": w, "bias": b}, (x,)),
        (x, ours.weight, ours.bias),
    )


def test_far_from_zero_it_is_nearer_to_float64_than_pytorchs():
    exact, _ = twins(8)
    x = images((4, 8, 32, 32)).detach() + 100
    ours, theirs = BatchNorm(8), nn.BatchNorm2d(8)
    for layer in (ours, theirs):
        layer.load_state_dict(exact.state_dict())
    wrong = [(layer(x.float()) - exact(x)).abs().max() for layer in (ours, theirs)]
    assert wrong[0] <= wrong[1]
    assert wrong[0] < 2e-4


def test_in_bfloat16_it_is_as_near_as_its_rounding():
    exact, _ = twins(20)
    x, target = images((4, 20, 16, 16)).detach().bfloat16(), torch.randn(4, 20, 16, 16).bfloat16()
    ours = BatchNorm(20)
    ours.load_state_dict(exact.state_dict())
    found = results(ours, x.requires_grad_(), target)
    right = results(exact, x.detach().double().requires_grad_(), target.double())
    for own, value in zip(found, right, strict=True):
        assert (own - value).abs().max() <= 2**-7 * value.abs().max()


def test_stacked_networks_have_their_own_statistics():
    layers = [BatchNorm(4) for _ in range(3)]
    weights, buffers = torch.func.stack_module_state(layers)
    x = torch.randn(3, 2, 4, 5, 6)

    def call(weights, buffers, x):
        return torch.func.functional_call(layers[0], (weights, buffers), (x,))

    y = torch.vmap(call)(weights, buffers, x)
    for index, layer in enumerate(layers):
        torch.testing.assert_close(y[index], layer(x[index]))
        torch.testing.assert_close(buffers["running_var"][index], layer.running_var)
