"""Which precision a device computes in: some are slower in bfloat16, not faster."""

from functools import cache

import torch


def computed(precision: str, device: torch.device | str) -> str:
    """`precision`, but "float32" where the device is not made for bfloat16."""
    return precision if knows_bfloat16(str(device)) else "float32"


@cache
def knows_bfloat16(device: str) -> bool:
    """Whether the device multiplies in bfloat16 without converting every number.

    Args:
        device: its name, such as "cpu" or "cuda:0".

    On a CPU oneDNN must have kernels for it, which takes AVX-512 at least.
    Without them PyTorch goes from number to number: with AVX2 alone a step of
    RegionFuse took 43 seconds, and 3 in float32. A GPU before Ampere emulates
    it.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu" and torch.backends.mkldnn.is_available():
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return False
