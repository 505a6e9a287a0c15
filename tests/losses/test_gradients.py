"""Gradients of both objectives, apart and joined, against backward passes."""

import copy
import math

import pytest
import torch
from torch import nn

from fusionlib.losses.gradients import TaskGradients


class Toy(nn.Module):
    """A backbone, a decoder that fusion needs, a head that csc alone needs; one layer idle."""

    def __init__(self):
        super().__init__()
        self.backbone, self.decoder = nn.Linear(4, 6), nn.Linear(6, 2)
        self.idle, self.head = nn.Linear(3, 3), nn.Linear(6, 5)
        self.passed = []  # by backward passes

    def losses(self, x):
        features = self.backbone(x).tanh()
        fused, classes = self.decoder(features), self.head(features)
        for name, value in (("backbone", features), ("decoder", fused), ("head", classes)):
            value.register_hook(lambda _, name=name: self.passed.append(name))
        return fused.square().mean(), classes.exp().mean()

    @property
    def shared(self):
        parts = (self.backbone, self.decoder, self.idle)
        return [weight for part in parts for weight in part.parameters()]


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def x():
    return torch.randn(7, 4)


def gradients(toy, x):
    return TaskGradients(*toy.losses(x), toy.shared, toy.head.parameters())


def backwards(toy, x):
    """Two backward passes through two graphs: g_fusion and g_csc, flat."""
    flat = []
    for task in (0, 1):
        other = copy.deepcopy(toy)
        other.losses(x)[task].backward()
        parts = [w.grad if w.grad is not None else torch.zeros_like(w) for w in other.shared]
        flat.append(torch.cat([part.flatten() for part in parts]))
    return flat


def test_sizes_and_angle_are_those_of_two_backward_passes(toy, x):
    found, (fusion, csc) = gradients(toy, x), backwards(toy, x)
    torch.testing.assert_close(found.rows, torch.stack((fusion, csc)))
    norms = [math.sqrt(sum(v * v for v in g.tolist())) for g in (fusion, csc)]
    dot = sum(f * c for f, c in zip(fusion.tolist(), csc.tolist()))
    assert found.norms.tolist() == pytest.approx(norms, rel=1e-5)
    assert found.projection.item() == pytest.approx(dot / norms[0] ** 2, rel=1e-5)
    assert found.cosine.item() == pytest.approx(dot / norms[0] / norms[1], rel=1e-5)
    # The sentence below Eq. 9
    ratio = norms[1] / norms[0]
    assert found.projection.item() == pytest.approx(ratio * found.cosine.item(), rel=1e-5)


def test_their_sum_is_that_of_one_backward_pass(toy, x):
    other = copy.deepcopy(toy)
    weights = torch.tensor([0.7, 2.5])
    gradients(toy, x).add(weights)
    (weights @ torch.stack(other.losses(x))).backward()
    for (name, one), same in zip(toy.named_parameters(), other.parameters()):
        if "idle" in name:
            assert not one.grad.any()
        else:
            torch.testing.assert_close(one.grad, same.grad)
            assert one.grad.any(), name


def test_sums_add_up_as_backward_passes_do(toy, x):
    other, weights = copy.deepcopy(toy), torch.tensor([0.5, 3.0])
    for part in x.split(4):
        gradients(toy, part).add(weights / 2)
        (weights @ torch.stack(other.losses(part)) / 2).backward()
    for (name, one), same in zip(toy.named_parameters(), other.parameters()):
        if "idle" not in name:
            torch.testing.assert_close(one.grad, same.grad)


def test_a_step_after_the_sum_moves_what_has_a_gradient(toy, x):
    before = copy.deepcopy(toy.state_dict())
    gradients(toy, x).add(torch.ones(2))
    torch.optim.Adam(toy.parameters(), lr=0.1, fused=True).step()
    for name, weight in toy.state_dict().items():
        assert torch.equal(weight, before[name]) == ("idle" in name)


def test_the_shared_part_is_passed_twice_and_no_more(toy, x):
    gradients(toy, x).add(torch.ones(2))
    assert sorted(toy.passed) == ["backbone", "backbone", "decoder", "head"]


def test_learnt_weights_leave_no_graph_behind(toy, x):
    weights = torch.ones(2, requires_grad=True) * 2
    gradients(toy, x).add(weights)
    assert not any(weight.grad.requires_grad for weight in toy.parameters())


def test_opposite_and_equal_gradients():
    weight = nn.Parameter(torch.tensor([3.0, -4.0]))
    against = TaskGradients(weight.square().sum() / 2, -2 * weight.square().sum() / 2, [weight])
    assert against.norms.tolist() == [5, 10]
    assert against.projection.item() == -2
    assert against.cosine.item() == -1


def test_a_gradient_of_0_has_no_angle():
    weight = nn.Parameter(torch.ones(3))
    for fusion, csc in ((0, 1), (1, 0), (0, 0)):
        found = TaskGradients(fusion * weight.sum(), csc * weight.sum(), [weight])
        assert found.projection.item() == 0
        assert found.cosine.item() == 0


def test_a_fused_optimiser_goes_where_a_backward_pass_would_take_it():
    # A fused step goes through a weight and its gradient as they lie in memory, and those of a
    # network in channels-last order lie otherwise than what a flat gradient is cut into.
    images = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 5, 3))
    layers.to(memory_format=torch.channels_last)
    weights = torch.tensor([0.3, 0.7])

    def losses(network):
        found = network(images)
        return found.square().mean(), found.exp().mean()

    own, usual = copy.deepcopy(layers), copy.deepcopy(layers)
    steps = [
        torch.optim.Adam(network.parameters(), lr=0.01, fused=True) for network in (own, usual)
    ]
    TaskGradients(*losses(own), own[0].parameters(), own[2].parameters()).add(weights)
    fusion, csc = losses(usual)
    # What is its own learns from csc alone.
    of_own = torch.autograd.grad(weights[1] * csc, usual[2].parameters(), retain_graph=True)
    (weights[0] * fusion + weights[1] * csc).backward()
    for weight, gradient in zip(usual[2].parameters(), of_own, strict=True):
        weight.grad.copy_(gradient)
    for weight, other in zip(own.parameters(), usual.parameters(), strict=True):
        assert weight.grad.stride() == weight.stride()
        torch.testing.assert_close(weight.grad, other.grad)
    for step in steps:
        step.step()
    for weight, other in zip(own.parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=0, atol=1e-6)
