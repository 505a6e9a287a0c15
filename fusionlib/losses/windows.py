"""Separable filters as matrix products: Gaussian windows and Sobel gradients.

A filter along one axis, border rule included, is a banded matrix. For patches
of training size two small matrix products are quicker than a convolution of
one channel, on CPU and GPU, and their gradient is a matrix product again.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F


def _matrix(kernel: Tensor, size: int, border: str) -> Tensor:
    # Filtering the unit vectors gives the matrix's columns.
    radius = len(kernel) // 2
    padded = F.pad(torch.eye(size, dtype=kernel.dtype)[:, None], (radius, radius), border)
    return F.conv1d(padded, kernel[None, None])[:, 0].T.contiguous()


@lru_cache(maxsize=64)
def gaussian_matrix(size: int, window: int, sigma: float, device: torch.device) -> Tensor:
    """(size, size): Gaussian of `window` taps, mirrored at the border."""
    offsets = torch.arange(window, dtype=torch.float64) - window // 2
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    return _matrix(kernel / kernel.sum(), size, "reflect").float().to(device)


@lru_cache(maxsize=64)
def sobel_matrices(
    size: int, device: torch.device, border: str = "replicate"
) -> tuple[Tensor, Tensor]:
    """(size, size) each: the central difference and the 1-2-1 smoothing."""
    difference = torch.tensor([-1.0, 0.0, 1.0])
    smoothing = torch.tensor([1.0, 2.0, 1.0])
    return (
        _matrix(difference, size, border).to(device),
        _matrix(smoothing, size, border).to(device),
    )


def blur(x: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Gaussian mean of every window of (..., H, W), same size."""
    height, width = x.shape[-2:]
    down = gaussian_matrix(height, window, sigma, x.device)
    across = gaussian_matrix(width, window, sigma, x.device)
    return down @ (x @ across.T)


def sobel(x: Tensor, border: str = "replicate") -> tuple[Tensor, Tensor]:
    """Sobel derivatives of (..., H, W) along x and along y, same size each.

    Outside the image `border` says what is seen: "replicate", or "constant"
    for black.
    """
    height, width = x.shape[-2:]
    difference_y, smoothing_y = sobel_matrices(height, x.device, border)
    difference_x, smoothing_x = sobel_matrices(width, x.device, border)
    return smoothing_y @ (x @ difference_x.T), difference_y @ (x @ smoothing_x.T)


def gradient(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Sobel magnitude of (..., H, W): sqrt(gx^2 + gy^2 + eps).

    `eps` keeps the derivative finite where an image is flat.
    """
    gx, gy = sobel(x)
    return (gx.square() + gy.square() + eps).sqrt()
