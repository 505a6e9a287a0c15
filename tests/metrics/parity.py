"""The one check that every metric passes: equal to its slow reference, image by image."""

import torch

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}


def images(dtype, height=64, width=75):
    """Three batches (3, 1, H, W) on 8-bit levels: textured, half nearly flat, and noise.

    The nearly flat parts are bright or dark with specks of one level. There a variance is a small
    difference of large numbers, and the constants of SSIM weigh most.
    """
    generator = torch.Generator().manual_seed(2)
    noise = torch.rand(3, 3, 1, height, width, generator=generator, dtype=torch.float64)
    down = torch.linspace(0, 1, height, dtype=torch.float64).unsqueeze(1)
    across = torch.linspace(0, 1, width, dtype=torch.float64)
    ir = torch.sigmoid(8 * (torch.sin(9 * down * across) + noise[0] / 4))
    vi = 0.3 + 0.3 * torch.cos(11 * across) * down + 0.2 * noise[1]
    fused = 0.6 * ir + 0.4 * vi + 0.05 * noise[2]
    levels = torch.stack([fused, ir, vi]).clamp(0, 1) * 255
    levels[:, 2] = noise[:, 2] * 255
    specks = (noise[:, 1] > 0.97).double()
    specks[0] = specks[0].maximum(specks[1])
    flat = specks + torch.tensor([3.0, 1.0, 0.0]).view(3, 1, 1, 1)
    flat[..., : height // 2, :] = (
        torch.tensor([247.0, 255.0, 250.0]).view(3, 1, 1, 1) - specks[..., : height // 2, :]
    )
    levels[:, 1, ..., : width // 2] = flat[..., : width // 2]
    return [batch.round().to(dtype) / 255 for batch in levels]


def unrounded(dtype, height=64, width=75):
    """`images`, the first of each batch off the 8-bit grid and in a part of the range."""
    return [
        torch.cat([0.07 + 0.8 * batch[:1] ** 1.3, batch[1:]])
        for batch in images(dtype, height, width)
    ]


def colours(dtype, height=40, width=53):
    """Three batches (3, 3, H, W) on 8-bit levels: vivid, nearly neutral, and dark.

    Nearly neutral colours have a hue that turns with every level, and in dark ones both sRGB and
    Lab are straight lines.
    """
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(3, 3, 3, height, width, generator=generator, dtype=torch.float64)
    levels = 255 * (0.7 * noise + 0.3 * noise.roll(1, 0))
    ramp = torch.linspace(0, 254, width, dtype=torch.float64)
    levels[:, 1] = ramp.round() + (noise[:, 1] > 0.8)
    levels[:, 2] = 30 * noise[:, 2]
    return [batch.round().to(dtype) / 255 for batch in levels]


def slow_values(reference, batch):
    """The slow reference on each image of the batch, float64 (B,)."""
    # The product in the images' own dtype gives back the exact level.
    arrays = [(image * 255).double().squeeze(1).numpy() for image in batch]
    values = [reference(*images) for images in zip(*arrays, strict=True)]
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(values, expected):
    """Assert that a metric's values equal the slow ones, to the tolerance of their dtype."""
    tolerance = TOLERANCE[values.dtype]
    torch.testing.assert_close(values.double(), expected, rtol=tolerance, atol=tolerance)
