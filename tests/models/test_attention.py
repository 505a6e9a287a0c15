"""Attention: one answer, whether it is written out for a training or left to the fused kernel."""

import pytest
import torch

from fusionlib.models.attention import attend


@pytest.mark.parametrize("width", [6, 4])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_both_ways_give_the_softmax_of_the_products(width, biased, scale):
    q, k, v = (torch.randn(2, 3, n, c) for n, c in ((5, 6), (7, 6), (7, width)))
    bias = torch.randn(3, 5, 7) if biased else None
    scores = torch.einsum("bhnc,bhmc->bhnm", q, k) * (scale or 6**-0.5)
    expected = (scores + bias if biased else scores).softmax(-1) @ v
    for training in (False, True):
        with torch.set_grad_enabled(training):
            torch.testing.assert_close(attend(q, k, v, scale, bias), expected)


def test_what_a_training_keeps_is_in_the_precision_of_its_tokens():
    q, k, v = (torch.randn(1, 1, 4, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(q, k, v)
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    assert q.grad.dtype == torch.bfloat16
    reference = attend(q.detach().float(), k.detach().float(), v.detach().float())
    torch.testing.assert_close(found.float(), reference, rtol=0, atol=0.02)
