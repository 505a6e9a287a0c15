"""Trainings in one stack: each as if it were alone."""

import pytest
import torch

from fusionlib.data.base import load_base
from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.training import open_run
from fusionlib.training.plain import PlainTraining
from fusionlib.training.stacked import Stack, check_stackable
from tests.training.small import tiny


def training(spec):
    return PlainTraining(open_run(spec), load_base(spec.ir, spec.vi), "cpu")


def three(model, **values):
    """Specs that differ in all that may differ in a stack."""
    return [
        tiny(model=model, **values),
        tiny(model=model, seed=1, relation="arbitrary", lr=2e-4, **values),
        tiny(model=model, seed=2, relation="strict", pairs=6, **values),
    ]


def weights(one):
    return torch.cat([weight.detach().flatten() for weight in one.model.parameters()])


def gradients(one):
    return torch.cat([weight.grad.flatten() for weight in one.model.parameters()])


@pytest.mark.parametrize("model", ["bsp-cnn", "bsp-transformer"])
def test_fifty_steps_have_the_losses_of_trainings_alone(model):
    """Each step begins with the weights of the trainings alone.

    Left to themselves both come apart by rounding, as a training does that
    meets its batch in another order: Adam makes whole steps of it.
    """
    alone, together = ([training(spec) for spec in three(model, steps=50)] for _ in range(2))
    stack = Stack(together)
    for _ in range(50):
        for one, other in zip(alone, together, strict=True):
            other.model.load_state_dict(one.model.state_dict())
        stack.one_step()
        for one in alone:
            one.one_step()
    for one, other in zip(alone, together, strict=True):
        assert one.terms == other.terms
        torch.testing.assert_close(one.losses, other.losses, atol=1e-4, rtol=0)
    assert not torch.equal(together[0].losses, together[1].losses)


@pytest.mark.parametrize("model", ["bsp-cnn", "bsp-transformer"])
def test_gradients_are_those_of_trainings_alone(model):
    # Of the gradient term rounding alone decides which of many flat pixels is the least.
    specs = three(model, loss=BSPLoss(gradient=0.0))
    alone, together = ([training(spec) for spec in specs] for _ in range(2))
    Stack(together).one_step()
    for one, other in zip(alone, together, strict=True):
        one.one_step()
        assert (gradients(one) - gradients(other)).norm() < 1e-3 * gradients(one).norm()


def test_a_stack_moves_the_networks_own_weights_and_statistics():
    alone, together = ([training(spec) for spec in three("bsp-cnn", steps=5)] for _ in range(2))
    before = [weights(one).clone() for one in alone]
    stack = Stack(together)
    for _ in range(3):
        stack.one_step()
        for one in alone:
            one.one_step()
    for one, other, start in zip(alone, together, before, strict=True):
        moved = weights(one) - start
        assert (weights(one) - weights(other)).norm() < 0.05 * moved.norm()
        for (name, mine), theirs in zip(one.model.named_buffers(), other.model.buffers()):
            torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3, msg=name)
            assert theirs.ndim > 0 or theirs == 3  # batches that a norm has seen


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"model": "bsp-transformer"}, "their model differs"),
        ({"batch": 2}, "their batch differs"),
        ({"loss": BSPLoss(ssim=0.0)}, "their loss differs"),
        ({"precision": "bfloat16"}, "their precision differs"),
    ],
)
def test_what_does_not_fit_is_refused(values, part):
    with pytest.raises(FusionError, match=part):
        Stack([training(tiny()), training(tiny(**values))])


def test_critics_and_shards_are_refused():
    with pytest.raises(FusionError, match="critics or shards"):
        Stack([training(tiny(batch=4, shards=2)), training(tiny(batch=4, seed=1, shards=2))])


def test_a_network_that_draws_in_training_is_refused():
    with pytest.raises(FusionError, match="can't train in a stack: swinfusion draws at random"):
        check_stackable(*(tiny(model="swinfusion", seed=seed) for seed in (0, 1)))
