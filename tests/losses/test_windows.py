"""Filters as matrix products against SciPy's filters, borders included."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlib.losses.windows import blur, gaussian_matrix, gradient

SIZES = [(32, 32), (17, 40), (64, 11), (6, 7)]


def noise(*shape):
    return np.random.default_rng(shape[-1]).random(shape).astype(np.float32)


def gaussian(image, window=11, sigma=1.5, border="mirror"):
    offsets = np.arange(window) - window // 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    taps /= taps.sum()
    rows = ndimage.correlate1d(image.astype(float), taps, -2, mode=border)
    return ndimage.correlate1d(rows, taps, -1, mode=border)


def magnitude(image, eps=1e-8, border="nearest"):
    gx, gy = (ndimage.sobel(image.astype(float), axis, mode=border) for axis in (-1, -2))
    return np.sqrt(gx**2 + gy**2 + eps)


@pytest.mark.parametrize("size", SIZES)
def test_blur_is_the_mirrored_gaussian(size):
    image = noise(*size)
    ours = blur(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(ours, gaussian(image), atol=1e-6, rtol=0)
    for slip in ({"sigma": 1.51}, {"window": 9}, {"border": "reflect"}, {"border": "nearest"}):
        assert abs(ours - gaussian(image, **slip)).max() > 1e-5, slip


def test_blur_takes_other_windows():
    image = noise(20, 30)
    ours = blur(torch.from_numpy(image), 7, 0.8).numpy()
    np.testing.assert_allclose(ours, gaussian(image, 7, 0.8), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_gradient_is_sobels_magnitude(size):
    image = noise(*size)
    ours = gradient(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(ours, magnitude(image), atol=2e-6, rtol=0)
    assert abs(ours - magnitude(image, border="mirror")).max() > 1e-3


def test_eps_is_the_gradient_of_a_flat_image():
    assert gradient(torch.full((1, 1, 9, 9), 0.25)).numpy() == pytest.approx(1e-4, rel=1e-3)


def test_a_batch_is_filtered_image_by_image():
    images = noise(3, 2, 12, 18)
    for ours, slow in ((blur, gaussian), (gradient, magnitude)):
        batch = ours(torch.from_numpy(images)).numpy()
        assert batch.shape == images.shape
        for place in np.ndindex(3, 2):
            np.testing.assert_allclose(batch[place], slow(images[place]), atol=2e-6, rtol=0)


def test_a_window_keeps_the_mean_of_a_flat_image():
    matrix = gaussian_matrix(24, 11, 1.5, torch.device("cpu"))
    torch.testing.assert_close(matrix.sum(1), torch.ones(24))


@pytest.mark.parametrize("filter_", [blur, gradient])
def test_derivatives(filter_):
    # Float32 filters are too coarse for gradcheck: compare with one central difference.
    image = torch.from_numpy(noise(8, 9)).requires_grad_()
    direction = torch.from_numpy(noise(9, 8).T.copy())
    (slope,) = torch.autograd.grad(filter_(image).sum(), image)
    with torch.no_grad():
        ahead, behind = (filter_(image + h * direction).sum() for h in (1e-2, -1e-2))
    assert ((ahead - behind) / 2e-2).item() == pytest.approx(
        (slope * direction).sum().item(), rel=1e-2
    )
