"""Attention over tokens, by the faster way: PyTorch's fused one, or written out."""

import torch
from torch import Tensor
from torch.nn import functional as F


def attend(
    q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, bias: Tensor | None = None
) -> Tensor:
    """softmax(q k^T scale + bias) v: (B, head, N, C) -> (B, head, N, V).

    Args:
        q: (B, head, N, C).
        k: (B, head, M, C).
        v: (B, head, M, V), V no more than C.
        scale: default C^-0.5.
        bias: (head, N, M), added to the scores.

    Where gradients are kept, the N x M scores are, too, unless a GPU's kernel
    can do without: on the CPU the fused kernel's backward pass takes two to
    three times as long, and none trains a bias fast.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    if torch.is_grad_enabled() and (bias is not None or not q.is_cuda):
        # Autocast would take float32 for the softmax alone, and twice the time.
        with torch.autocast(q.device.type, enabled=False):
            scores = (q * scale) @ k.mT
            scores = scores if bias is None else scores.add_(bias.to(scores.dtype))
            return scores.softmax(-1) @ v
    width = v.shape[-1]
    if width < q.shape[-1]:  # the fused kernels take one width
        v = F.pad(v, (0, q.shape[-1] - width))
    mask = None if bias is None else bias[None].to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, mask, scale=scale)[..., :width]
