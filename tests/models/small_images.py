"""Pairs of a few pixels, for tests of networks."""

import torch


def images(height, width, batch=2, channels=1, dtype=torch.float32):
    """Infrared and visible noise, (B, C, H, W) each."""
    return torch.rand(2, batch, channels, height, width, dtype=dtype).unbind(0)


def flat(height, width, level):
    """A pair of one grey level."""
    return torch.full((2, 1, 1, height, width), level).unbind(0)


def off_by_autocast(network, side):
    """How far bfloat16 moves the image of a network, which must stay float32."""
    ir, vi = images(side, side)
    with torch.no_grad():
        exact = network(ir, vi)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(ir, vi)
    assert rounded.dtype == torch.float32
    return (rounded - exact).abs().max()


def parameters(network):
    """How many numbers are trained."""
    return sum(weights.numel() for weights in network.parameters())


def untrained(network):
    """Names of the weights that got no gradient, or one that is 0 or not finite."""
    return [
        name
        for name, weights in network.named_parameters()
        if weights.grad is None
        or not weights.grad.isfinite().all()
        or not weights.grad.abs().max() > 0
    ]
