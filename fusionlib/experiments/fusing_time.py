"""How long a network takes to fuse one pair."""

import time

import torch
from torch import nn

from fusionlib.memory import keep_freed_memory


@torch.inference_mode()
def seconds_of(
    model: nn.Module, height: int, width: int, channels: int = 1, repeats: int = 1
) -> float:
    """Seconds for one pair in float32, the quickest of `repeats` calls after a first one.

    Freed memory is kept, as it is where a folder is fused.

    Args:
        model: `fused = model(ir, vi)`, in evaluation mode, on the CPU.
        height, width: of the pair, in pixels.
        channels: of each source.
        repeats: timed calls, 1 or more.
    """
    keep_freed_memory()
    pair = torch.rand(1, channels, height, width)
    times = []
    for _ in range(repeats + 1):  # the first warms up
        started = time.perf_counter()
        model(pair, pair)
        times.append(time.perf_counter() - started)
    return min(times[1:])
