"""MoRA: tokens, routing's invariants, gathered attention against dense, what is degenerate."""

import dataclasses

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.models.region_attention import (
    RegionAttention,
    Router,
    Routing,
    attend_dense,
    attend_drawn,
    attend_inside,
    merge,
    split,
)  # fmt: skip

REGION = 4


def tokens(count=12, images=2, seed=0):
    torch.manual_seed(seed)
    return torch.randn(images, count, REGION**2)


def routed(experts=4, chosen=2, training=True, renormalised=True, count=12):
    torch.manual_seed(1)
    router = Router(REGION**2, experts, chosen, 8, renormalised).train(training)
    return router(tokens(count))


def sent(*experts_of, experts=3):
    """A routing of one image: which experts each token goes to, with equal weights."""
    chosen = torch.zeros(1, len(experts_of), experts, dtype=torch.bool)
    for token, own in enumerate(experts_of):
        chosen[0, token, list(own)] = True
    weights = chosen / chosen.sum(-1, keepdim=True)
    return Routing(weights, chosen, weights, weights, weights, None)


def test_a_token_is_a_channel_of_a_region():
    maps = torch.arange(2 * 3 * 8 * 12.0).view(2, 3, 8, 12)
    made = split(maps, REGION)
    assert made.shape == (2, 3 * 2 * 3, 16)
    # Channel 1, second row of regions, third column.
    expected = maps[0, 1, 4:8, 8:12].flatten()
    assert torch.equal(made[0, 1 * 6 + 1 * 3 + 2], expected)
    assert torch.equal(merge(made, 3, 8, 12), maps)


@pytest.mark.parametrize(("experts", "chosen"), [(4, 1), (4, 2), (4, 3), (6, 1), (3, 3), (1, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_every_token_goes_to_k_experts_and_their_weights_add_up(experts, chosen, training):
    routing = routed(experts, chosen, training)
    assert (routing.chosen.sum(-1) == chosen).all()
    torch.testing.assert_close(routing.weights.sum(-1), torch.ones(2, 12))
    assert (routing.weights[~routing.chosen] == 0).all()
    # The chosen are the most probable.
    least = routing.probabilities.masked_fill(~routing.chosen, 2).amin(-1)
    others = routing.probabilities.masked_fill(routing.chosen, -1).amax(-1)
    assert (least >= others).all()


def test_without_renormalising_weights_are_the_probabilities():
    routing = routed(renormalised=False)
    assert torch.equal(routing.weights, routing.probabilities * routing.chosen)
    assert (routing.weights.sum(-1) < 1).all()


def test_noise_is_of_training_alone():
    assert routed(training=False).noise is None
    assert torch.equal(routed(training=False).scores, routed(training=False).clean)
    noisy = routed(training=True)
    assert (noisy.noise > 0).all()
    assert not torch.equal(noisy.scores, noisy.clean)


@pytest.mark.parametrize("renormalised", [True, False])
@pytest.mark.parametrize(("experts", "chosen"), [(4, 2), (4, 3), (6, 1), (2, 2)])
def test_gathered_tokens_attend_as_masked_ones(experts, chosen, renormalised):
    routing = routed(experts, chosen, renormalised=renormalised)
    q, k, v = (tokens(seed=seed) for seed in range(3))
    gathered, dense = (attend(q, k, v, routing) for attend in (attend_inside, attend_dense))
    torch.testing.assert_close(gathered, dense, rtol=1e-5, atol=1e-5)


def test_gradients_of_both_ways_agree():
    q, k, v = (tokens(seed=seed) for seed in range(3))
    grads = []
    for attend in (attend_inside, attend_dense):
        parts = [part.clone().requires_grad_() for part in (q, k, v)]
        attend(*parts, routed()).square().sum().backward()
        grads.append([part.grad for part in parts])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attend", [attend_inside, attend_dense])
def test_an_expert_without_tokens_answers_nothing(attend):
    q, k, v = (tokens(4, 1, seed) for seed in range(3))
    with_all, with_none = sent((0,), (0,), (0,), (0,)), sent((1,), (1,), (1,), (1,))
    expected = (q @ k.mT / REGION).softmax(-1) @ v  # all to one: attention of all
    for routing in (with_all, with_none):
        torch.testing.assert_close(attend(q, k, v, routing), expected)


def test_a_lonely_token_sees_itself():
    q, k, v = (tokens(3, 1, seed) for seed in range(3))
    found = attend_inside(q, k, v, sent((0,), (0,), (1,)))
    torch.testing.assert_close(found[0, 2], v[0, 2])


def test_as_drawn_tokens_outside_keep_a_weight():
    q, k, v = (tokens(3, 1, seed) for seed in range(3))
    routing = sent((0,), (0,), (1,))
    scores = q[0] @ k[0].mT / REGION
    lonely = torch.tensor([0.0, 0.0, scores[2, 2]]).softmax(0)  # others' scores become 0
    torch.testing.assert_close(attend_drawn(q, k, v, routing)[0, 2], lonely @ v[0])


def test_more_experts_a_token_than_there_are_is_refused():
    with pytest.raises(FusionError, match="1 to 2 of 2 experts, not to 3"):
        Router(16, experts=2, chosen=3)
    with pytest.raises(FusionError, match="not to 0"):
        Router(16, experts=2, chosen=0)


def test_another_mask_is_refused():
    with pytest.raises(FusionError, match="masks is inside or drawn, not 'outside'"):
        RegionAttention(4, 4, masks="outside")


def test_every_weight_learns_the_routers_included():
    torch.manual_seed(0)
    attention = RegionAttention(3, REGION, hidden=8)
    attention(torch.rand(2, 3, 8, 12)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in attention.parameters())


def test_what_the_router_did_can_be_seen():
    attention = RegionAttention(3, REGION).eval()
    assert attention.routing is None
    attention(torch.rand(1, 3, 8, 12))
    assert attention.routing.chosen.shape == (1, 18, 4)
    assert dataclasses.is_dataclass(attention.routing)
