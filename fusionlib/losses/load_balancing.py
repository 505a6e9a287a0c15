"""The loss that keeps a router from forgetting some of its experts (Shazeer et al. 2017)."""

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.models.region_attention import Routing


def load_balancing(routing: Routing) -> Tensor:
    """CV^2(importance) + CV^2(load) of one router: a scalar, >= 0.

    Importance of an expert is the sum of its weights over all tokens of the
    batch; load is how many tokens it may expect, a smooth count: the
    probability that a fresh draw of its own noise would bring it among a
    token's K best.

    routing: of a router in training, whose noise makes the count smooth.

    Raises FusionError for a routing without noise.

    Source: RegionFuse, section 2.5, which takes the standard loss; Shazeer et
    al. 2017, Eq. 6 to 11.
    """
    if routing.noise is None:
        raise FusionError("Load is counted by a router's noise, which only training adds.")
    # Eq. 6
    importance = routing.weights.flatten(0, -2).sum(0)
    # Eq. 10
    load = expected(routing).flatten(0, -2).sum(0)
    # Eq. 7, 11
    return variation(importance) + variation(load)


def expected(routing: Routing) -> Tensor:
    """P(x, i): that expert i is among the K best of token x, (B, N, E).

    Where K = E every expert is, and P is 1.
    """
    scores, count = routing.scores, int(routing.chosen[0, 0].sum())
    if count == scores.shape[-1]:
        return torch.ones_like(scores)
    best = scores.topk(count + 1, -1).values
    # The K-th best of the others: of a chosen expert the one that would replace it.
    bar = torch.where(routing.chosen, best[..., -1:], best[..., -2:-1])
    # Eq. 9; the bound is ours, for a noise that is nearly 0.
    return torch.special.ndtr((routing.clean - bar) / routing.noise.clamp_min(1e-3))


def variation(values: Tensor) -> Tensor:
    """The squared coefficient of variation of values (E,): variance by squared mean."""
    return values.var(correction=0) / (values.mean().square() + 1e-10)
