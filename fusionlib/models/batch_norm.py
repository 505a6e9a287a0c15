"""Batch normalisation that is also fast for few channels on the CPU."""

import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """PyTorch's own layer, values and gradients; some of it by another way.

    In training on a CPU, PyTorch's kernel for channels-last maps takes 16
    channels at once; of 8 or of 20 it takes what is left one by one, in ten
    times the time. Here a row of the image is one long vector, whatever its
    channels. (That is also more exact: sums have fewer terms in a row.)
    """

    def forward(self, x: Tensor) -> Tensor:
        slow = self.num_features % 16 and self.num_features < 64
        if not (self.training and slow and x.device.type == "cpu"):
            return super().forward(x)
        y, mean, variance, *_ = _Normalise.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            pixels = _pixels(x)
            self.num_batches_tracked.add_(1)
            for kept, new in (
                (self.running_mean, mean),
                (self.running_var, variance * (pixels / (pixels - 1))),
            ):
                kept.mul_(1 - self.momentum).add_(self.momentum * new)
        return y


class _Normalise(torch.autograd.Function):
    """y = w (x - <x>) / sqrt(variance + eps) + b; <> is the mean of a channel.

    x, y are (B, C, H, W). Also returns mean and variance (C), and what the
    gradient needs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        mean = _mean(x, weight)
        centred = x - _row(mean, x)
        variance = _mean(centred.square(), weight)
        scale = (variance + eps).rsqrt()
        y = torch.addcmul(_row(bias, x), centred, _row(scale * weight, x))
        return y, mean, variance, centred, scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, weight, *_ = inputs
        _, *others, centred, scale = output
        ctx.mark_non_differentiable(*others, centred, scale)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(weight, centred, scale)

    @staticmethod
    def backward(ctx, g: Tensor | None, *_):
        if g is None:  # nothing depends on y
            return None, None, None, None
        weight, centred, scale = ctx.saved_tensors
        of_bias, of_scale = _mean(g, weight), _mean(g * centred, weight)
        # With g = dL/dy and z = (x - <x>) scale: dL/dx = w scale (g - <g> - z <g z>)
        by = weight * scale
        of_x = torch.addcmul(_row(-by * of_bias, g), g, _row(by, g))
        of_x = of_x.addcmul(centred, _row(-by * scale.square() * of_scale, g))
        return of_x, of_scale * scale * _pixels(g), of_bias * _pixels(g), None


def _pixels(x: Tensor) -> int:
    return x.numel() // x.shape[1]


def _row(values: Tensor, x: Tensor) -> Tensor:
    """A value of each channel -> a whole row of them, (C, 1, W)."""
    return values.to(x.dtype).repeat(x.shape[3], 1).T[:, None]


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    """The mean of each channel, in the dtype of `weight`."""
    rows = x.permute(0, 2, 3, 1).flatten(0, 1)  # (B H, W, C)
    return rows.sum(0).sum(0, dtype=weight.dtype) / _pixels(x)
