"""The memory that a model needs while it fuses: the tensors that are alive at once."""

import copy

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fusionlib.errors import FusionError


class _Alive(TorchDispatchMode):
    """Counts the bytes of given storages, and of those made under it that are still there."""

    def __init__(self, given: list[Tensor]):
        super().__init__()
        self.peak, self._made = 0, {}
        self._note(given)

    def _note(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            reference = StorageWeakRef(storage)
            self._made.setdefault(reference.cdata, (reference, storage.nbytes()))
        self._made = {key: one for key, one in self._made.items() if not one[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._made.values()))

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        self._note([value for value in tree_leaves(made) if isinstance(value, Tensor)])
        return made


def footprint(model: nn.Module, height: int = 256, width: int = 256, channels: int = 1) -> int:
    """Bytes of weights, sources and everything computed that are alive at once.

    It is what an allocator must hold while one pair is fused without
    gradients, on whatever device the model is. What an operation needs for
    itself alone, such as a convolution's scratch space, is not seen, nor are
    rounding and what a device's libraries take: a GPU's own count is larger.

    Args:
        model: `fused = model(ir, vi)`; left as it is. On the device "meta"
            nothing is computed, and attention is that of a device which
            has no fused one: its scores are written out.
        height, width: of the pair, in pixels.
        channels: of each source.

    Raises FusionError for a size below one pixel.
    """
    if min(height, width, channels) < 1:
        raise FusionError(
            f"height, width and channels are 1 or more, not {height}, {width} and {channels}."
        )
    model = copy.deepcopy(model).eval()
    held = [*model.parameters(), *model.buffers()]
    device = held[0].device if held else "cpu"
    ir, vi = (torch.zeros(1, channels, height, width, device=device) for _ in range(2))
    alive = _Alive([*held, ir, vi])
    with torch.no_grad(), alive:
        model(ir, vi)
    return alive.peak
