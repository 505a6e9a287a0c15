"""The least time that a step's own operations need on a device, and how that is known.

A device has two ceilings, measured here: how fast it multiplies matrices in a precision, and how
fast it copies memory. An operation needs at least the longer of its arithmetic at the one and its
operands' and results' bytes at the other. Views cost nothing. The sum over a step's operations is
the floor that a run of the same operations can't go below, short of operands that stay in a cache.
"""

import time

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, shape_wrapper

from fusionlib.models import cost

# The formulas want shapes; PyTorch's own are wrapped already.
COUNTED = flop_registry | {name: shape_wrapper(count) for name, count in cost.COUNTED.items()}
SIDE = 4096  # of the matrices
COPIED = 1 << 29  # bytes


class Work(TorchDispatchMode):
    """Counts what runs under it: `calls` holds (name, flop, bytes, is it bfloat16) of each."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        if not function.is_view:
            came, made = (
                [t for t in tree_leaves(side) if isinstance(t, torch.Tensor)]
                for side in ((args, kwargs), out)
            )
            touched = {(t.data_ptr(), t.numel()): t.numel() * t.element_size() for t in came}
            size = sum(touched.values()) + sum(t.numel() * t.element_size() for t in made)
            count = COUNTED.get(function.overloadpacket)
            flop = count(*args, **kwargs, out_val=out) if count else 0
            half = any(t.dtype == torch.bfloat16 for t in came)
            self.calls.append((str(function.overloadpacket), flop, size, half))
        return out

    @property
    def flop(self):
        """Floating-point operations of convolutions and matrix products."""
        return sum(flop for _, flop, _, _ in self.calls)

    @property
    def bytes(self):
        """What all operations read and write."""
        return sum(size for _, _, size, _ in self.calls)

    def floor(self, found):
        """Seconds on a device with these ceilings."""
        return sum(
            max(flop / found["bfloat16" if half else "float32"], size / found["copy"])
            for _, flop, size, half in self.calls
        )


def ceilings(device="cpu", rounds=7, side=None, copied=None):
    """Measured: flop/s of a matrix product in float32 and in bfloat16, byte/s of a copy."""

    side, copied = side or SIDE, copied or COPIED

    def best(call):
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            call()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        return min(times[1:])  # the first one is warm-up

    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.rand(2, side, side, device=device).to(dtype)
        out = torch.empty_like(a)
        seconds = best(lambda a=a, b=b, out=out: torch.mm(a, b, out=out))
        found[str(dtype).removeprefix("torch.")] = 2 * side**3 / seconds
    source = torch.ones(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found["copy"] = 2 * copied / best(lambda: target.copy_(source))  # it reads and writes
    return found
