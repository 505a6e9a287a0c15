"""The processes that share one training: one, or those that torchrun started.

Gradients are summed by one call after the backward pass, for every recipe
alike. The networks here are small (0.8 MB): a wrapper that overlaps the sum
with the backward pass would hide less than it costs to explain.
"""

import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed
from torch.distributed import PrefixStore
from torch.distributed.rendezvous import rendezvous


class Team:
    """This process and those beside it; without torchrun a team of one.

    rank: of this process; 0 leads, and alone writes files.
    size: how many processes.
    """

    def __init__(self):
        together = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if together else 0
        self.size = distributed.get_world_size() if together else 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def sum(self, weights: Iterable[Tensor], values: Tensor) -> Tensor:
        """Sum the gradients of weights over the team, in place, and return the sum of values.

        weights: those that have none, because their network does not use them,
        are left out.
        values: (n,), such as the terms of a loss, on the weights' device.
        """
        if self.size == 1:
            return values
        parts = [weight.grad for weight in weights if weight.grad is not None] + [values]
        together = torch.cat([part.flatten() for part in parts])
        distributed.all_reduce(together)
        summed = together.split([part.numel() for part in parts])
        for part, total in zip(parts[:-1], summed, strict=False):
            part.copy_(total.view_as(part))
        return summed[-1]

    def told(self, value: bool | None, device: str) -> bool:
        """What the leader knows, in every process; the others pass None."""
        if self.size == 1:
            return bool(value)
        told = torch.tensor([int(bool(value))], device=device)
        distributed.broadcast(told, 0)
        return bool(told.item())

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.size > 1:
            distributed.barrier()


def join() -> str | None:
    """Join the team of torchrun's environment; returns this process's device.

    None, and nothing done, where torchrun did not start the process.
    """
    if "WORLD_SIZE" not in os.environ or "LOCAL_RANK" not in os.environ:
        return None
    local = int(os.environ["LOCAL_RANK"])
    on_gpu = torch.cuda.is_available() and torch.cuda.device_count() > local
    if on_gpu:
        torch.cuda.set_device(local)
    # torchrun's store outlives a restart, and with it the addresses of processes that died.
    store, rank, size = next(rendezvous("env://"))
    store = PrefixStore(f"try {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    kind = "nccl" if on_gpu else "gloo"
    distributed.init_process_group(kind, store=store, rank=rank, world_size=size)
    return f"cuda:{local}" if on_gpu else "cpu"
