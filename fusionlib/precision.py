"""Which precision a device computes in: some are slower in bfloat16, not faster."""

import platform
from functools import cache

import torch


def computed(precision: str, device: torch.device | str) -> str:
    """`precision`, but "float32" where the device is not made for bfloat16."""
    return precision if knows_bfloat16(str(device)) else "float32"


@cache
def knows_bfloat16(device: str) -> bool:
    """Whether the device multiplies in bfloat16 without converting every number.

    Args:
        device: its name, such as "cpu" or "cuda:0"; other kinds are not asked.

    A CPU needs instructions for it, AVX512_BF16 on x86, and oneDNN's kernels.
    Without these PyTorch goes from number to number: with AVX2 alone a step of
    RegionFuse took 43 seconds, and 3 in float32. A GPU before Ampere emulates
    it.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    on_x86 = platform.machine().lower() in ("x86_64", "amd64")
    made_for_it = not on_x86 or torch.cpu._is_avx512_bf16_supported()
    return made_for_it and torch.ops.mkldnn._is_mkldnn_bf16_supported()
