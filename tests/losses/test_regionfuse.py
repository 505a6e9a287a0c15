"""RegionFuse's losses: by hand, and balance that grows where a router forgets its experts."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.losses import RegionFuseLoss
from fusionlib.losses.load_balancing import expected, load_balancing, variation
from fusionlib.models.region_attention import Router, Routing


def routed(clean, scores, noise=1.0, chosen=2):
    best = scores.topk(chosen, -1).indices
    mask = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, best, True)
    weights = scores.softmax(-1) * mask
    weights = weights / weights.sum(-1, keepdim=True)
    return Routing(scores.softmax(-1), mask, weights, scores, clean, torch.full_like(clean, noise))


def test_terms_by_hand():
    ir, vi = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5)
    terms = RegionFuseLoss(gradient=3)(torch.full((1, 1, 8, 8), 0.25), ir, vi)
    assert terms["intensity"].item() == pytest.approx(0.25)
    expected_total = terms["intensity"] + 3 * terms["gradient"]
    assert terms["total"].item() == pytest.approx(expected_total.item())
    # Equal to the brighter source nothing is left to pay.
    assert RegionFuseLoss()(vi, ir, vi)["total"].item() == 0


@pytest.mark.parametrize("values", [{"gradient": -1}, {"load": "5"}, {"load_epochs": -1},
                                    {"load_epochs": 1.5}])  # fmt: skip
def test_what_is_no_factor_is_refused(values):
    with pytest.raises(FusionError, match=next(iter(values))):
        RegionFuseLoss(**values)


def test_variation_is_variance_by_squared_mean():
    values = torch.tensor([1.0, 2.0, 3.0, 2.0])
    assert variation(values).item() == pytest.approx(0.5 / 4)
    assert variation(torch.ones(4)).item() == 0
    # All to one of E: E - 1.
    assert variation(torch.tensor([7.0, 0, 0, 0])).item() == pytest.approx(3)


def test_expected_count_is_what_fresh_noise_brings():
    """Of a token's own noise drawn anew, the others' scores as they were."""
    torch.manual_seed(0)
    clean = torch.randn(1, 6, 4)
    noise = 0.7
    scores = clean + noise * torch.randn_like(clean)
    found = expected(routed(clean, scores, noise))
    for token in range(6):
        for expert in range(4):
            others = scores[0, token].clone()
            others[expert] = -torch.inf
            bar = others.topk(2).values[-1]
            fresh = clean[0, token, expert] + noise * torch.randn(20_000)
            share = (fresh > bar).float().mean().item()
            assert found[0, token, expert].item() == pytest.approx(share, abs=0.015)


def test_where_all_experts_are_chosen_each_is_certain():
    scores = torch.randn(1, 5, 3)
    assert torch.equal(expected(routed(scores, scores, chosen=3)), torch.ones(1, 5, 3))


def test_balance_costs_least_where_all_have_as_many():
    even = torch.eye(4).repeat(3, 1)[None] * 5
    even = even + even.roll(1, -1)  # token k to experts k and k + 1
    skewed = torch.tensor([5.0, 5.0, 0, 0]).expand(1, 12, 4)
    low, high = (load_balancing(routed(scores, scores, 0.1)).item() for scores in (even, skewed))
    assert low < 1e-3
    assert high == pytest.approx(2, abs=0.01)  # 1 of importance, 1 of load


def test_it_teaches_the_router_to_share():
    torch.manual_seed(0)
    # With as much noise as scores: what noise does not reach, the loss cannot teach.
    router = Router(16, 4, 1, hidden=16, scaled=False, calm=0.0)
    tokens = torch.randn(2, 64, 16)
    with torch.no_grad():
        router.score[2].bias[0] = 4.0  # all to the first
    adam = torch.optim.Adam(router.parameters(), 0.02)
    before = router.eval()(tokens).chosen.float().mean((0, 1))
    router.train()
    for _ in range(60):
        adam.zero_grad()
        load_balancing(router(tokens)).backward()
        adam.step()
    after = router.eval()(tokens).chosen.float().mean((0, 1))
    assert before.max() > 0.9
    assert after.max() < 0.5


def test_without_noise_there_is_no_load():
    router = Router(16, 4, 2).eval()
    with pytest.raises(FusionError, match="only training adds"):
        load_balancing(router(torch.randn(1, 3, 16)))
