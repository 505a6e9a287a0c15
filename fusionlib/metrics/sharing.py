"""Compute what several metrics need once: `with sharing():` around the calls.

A metric reads as if it stood alone. Its helpers that others use too carry
`@shared`: inside a `sharing` block they remember their result for the same
tensors, so that twelve metrics of one batch make its histograms, its gradients
and its windows once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps

from torch import Tensor

_results: ContextVar[dict | None] = ContextVar("results", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Let `shared` functions remember results until the outermost block ends."""
    if _results.get() is not None:
        yield
        return
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def shared(function: Callable) -> Callable:
    """Remember the results of a pure function of tensors and plain values.

    Tensors count as the same when they are the same object; nobody may change
    an argument or a result in place. Where a tensor requires a gradient nothing
    is remembered: metrics that share a graph could not be differentiated one
    after another.
    """

    @wraps(function)
    def call(*arguments):
        results = _results.get()
        tensors = [a for a in arguments if isinstance(a, Tensor)]
        if results is None or any(tensor.requires_grad for tensor in tensors):
            return function(*arguments)
        key = (function, *(id(a) if isinstance(a, Tensor) else a for a in arguments))
        if key not in results:
            # The arguments are kept too, or another tensor might come to have the same id.
            results[key] = function(*arguments), arguments
        return results[key][0]

    return call
