"""The 3x3 Sobel gradient, which several metrics ask for."""

import torch
from torch.nn import functional as F

from fusionlib.metrics.sharing import shared


@shared
def sobel(levels, padding="zeros"):
    """Sobel gradient of images (..., H, W): across and down, same shape.

    Weights 1 2 1, not normalised; "zeros" or "replicate" beyond the border.
    Signs: to the left minus to the right, below minus above.
    """
    mode = "constant" if padding == "zeros" else "replicate"
    # Padding by replication wants a batch dimension of its own.
    x = F.pad(levels.flatten(0, -3).unsqueeze(0), (1, 1, 1, 1), mode=mode).squeeze(0)
    x = x.unflatten(0, levels.shape[:-2])
    across, down = x[..., :-2] - x[..., 2:], x[..., 2:, :] - x[..., :-2, :]
    sx = across[..., :-2, :].add(across[..., 1:-1, :], alpha=2).add_(across[..., 2:, :])
    sy = down[..., :-2].add(down[..., 1:-1], alpha=2).add_(down[..., 2:])
    return sx, sy


def squared_length(x, y):
    """``x^2 + y^2``."""
    return torch.addcmul(x * x, y, y)
