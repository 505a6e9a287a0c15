"""RegionFuse without its routers' choice, or without its attention: to ask what either does.

Probes of ours: the paper has none of them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fusionlib.models.regionfuse import RegionFuse


def sent_at_random(model: RegionFuse):
    """A context in which each token goes to K experts drawn at random, in all rounds.

    So the load is even; the weights are as random, by the softmax of numbers
    between 0 and 1. A router that was never trained sends all tokens to the
    same K experts: E / K times the attention of an even load, the least there
    is.
    """
    return _changed((block.attention.router.score for block in model.blocks), torch.rand_like)


def without_attention(model: RegionFuse):
    """A context in which attention adds nothing, in all rounds."""
    return _changed((block.attention for block in model.blocks), torch.zeros_like)


@contextmanager
def _changed(layers: Iterable[nn.Module], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    hooks = [layer.register_forward_hook(lambda _, given, made: change(made)) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
