"""What is asked of a RegionFuse without its routing or attention, and that it is itself again."""

import pytest
import torch

from fusionlib.models import create_model
from fusionlib.models.region_probes import sent_at_random, without_attention

PAIR = torch.rand(2, 1, 1, 32, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("regionfuse", width=8, region=8, hidden=8, heads=2, decoder_blocks=1).eval()


@torch.no_grad()
def test_tokens_sent_at_random_are_spread_evenly_and_still_go_to_k(model):
    usual = model(*PAIR)
    with sent_at_random(model):
        torch.manual_seed(0)
        assert not torch.equal(model(*PAIR), usual)
        for routing in model.routings:
            assert (routing.chosen.sum(-1) == 2).all()
            assert (routing.chosen.float().mean((0, 1)) - 0.5).abs().max() < 0.1
    assert torch.equal(model(*PAIR), usual)


@torch.no_grad()
def test_without_attention_nobody_looks_at_anybody(model):
    usual = model(*PAIR)
    with without_attention(model):
        bare = model(*PAIR)
        with sent_at_random(model):
            assert torch.equal(model(*PAIR), bare)  # what is routed no longer counts
    assert not torch.equal(bare, usual)
    with pytest.raises(RuntimeError), without_attention(model):
        model(*PAIR.expand(-1, -1, 2, -1, -1))
    assert torch.equal(model(*PAIR), usual)
