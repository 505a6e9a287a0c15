"""The CNN baseline of Beyond Strict Pairing (supplement 7.1.1, Figure 8a).

A U-shaped network of three scales. Each scale has an encoder E_i, a fusion
layer F_i that lets every pixel see the mean of its whole image through
channel attention, and a decoder R_i. The paper draws the network; the widths
are those of the released weights.

    s0 = E_1(ir, vi)      16 channels, full size
    s1 = E_2(s0)          48 channels, half size
    s2 = E_3(s1)         112 channels, a quarter
    fused = R_1(R_2(R_3(s2 + F_3(s2)), s1 + F_2(s1)), s0 + F_1(s0), ir, vi)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.batch_norm import BatchNorm
from fusionlib.models.layers import (
    GroupNorm,
    channels_last,
    in_a_row,
    pad_to_multiple,
    rounded,
    to_map,
    to_pixels,
)


class DenseLayer(nn.Module):
    """BN-ReLU-1x1-BN-ReLU-3x3; its `growth` new channels join the input."""

    def __init__(self, channels: int, growth: int):
        super().__init__()
        bottleneck = 2 * growth
        self.new = nn.Sequential(
            BatchNorm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, bottleneck, 1, bias=False),
            BatchNorm(bottleneck),
            nn.ReLU(inplace=True),
            nn.Conv2d(bottleneck, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.new(x)), 1)


def dense_block(channels: int, growth: int) -> nn.Sequential:
    """Two dense layers: (B, C, H, W) -> (B, C + 2 growth, H, W)."""
    return nn.Sequential(DenseLayer(channels, growth), DenseLayer(channels + growth, growth))


class GlobalFusion(nn.Module):
    """F_i: a pixel-wise expansion gated by the mean over all pixels.

    The gate is efficient channel attention: a convolution of width 3 along
    the channel axis of the image's mean, then a sigmoid. Because the mean runs
    over the image (or the tile), whole and tiled results differ slightly.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.reduce = nn.Conv2d(4 * channels, channels, 1)
        self.attention = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = to_pixels(F.gelu(self.expand(x)))
        with torch.autocast(x.device.type, enabled=False):
            fused, *_ = _GatedProduct.apply(
                hidden, self.reduce.weight.flatten(1), self.reduce.bias, self.attention.weight
            )
        return to_map(fused, x)


class _GatedProduct(torch.autograd.Function):
    """(gate * hidden) weight^T + bias, gate = sigmoid(attention * mean(hidden)).

    hidden (B, n, K), weight (C, K), bias (C), attention (1, 1, 3), which is
    convolved along K, -> (B, n, C). `hidden` is the network's largest map and
    enters twice; here both gradients are one product, which is their sum.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(hidden: Tensor, weight: Tensor, bias: Tensor, attention: Tensor):
        # `mean` itself takes ten times as long in bfloat16.
        mean = hidden.sum(1, keepdim=True).to(weight.dtype) / hidden.shape[1]
        gate = torch.sigmoid(F.conv1d(mean, attention, padding=1))
        # To gate the hidden channels is to gate the columns of the matrix,
        # which is far smaller than they.
        matrix = (weight * gate).to(hidden.dtype)
        fused = torch.baddbmm(bias.to(hidden.dtype), hidden, matrix.mT)
        return fused, mean, gate, matrix

    @staticmethod
    def setup_context(ctx, inputs, output):
        hidden, weight, _, attention = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(hidden, weight, attention, *output[1:])

    @staticmethod
    def backward(ctx, g: Tensor | None, *_):
        if g is None:  # nothing depends on the output
            return None, None, None, None
        hidden, weight, attention, mean, gate, matrix = ctx.saved_tensors
        of_matrix = (g.mT @ hidden).to(weight.dtype)
        before = (of_matrix * weight).sum(1, keepdim=True) * gate * (1 - gate)
        of_mean = F.conv1d(before, attention.flip(2), padding=1)
        of_attention = torch.stack(
            [(before * F.pad(mean, (1, 1))[..., k : k + mean.shape[2]]).sum() for k in range(3)]
        )
        constant = (of_mean / hidden.shape[1]).to(hidden.dtype)
        of_hidden = torch.baddbmm(constant, g, matrix)
        of_weight = (of_matrix * gate).sum(0)
        of_bias = g.sum((0, 1), dtype=weight.dtype)
        return of_hidden, of_weight, of_bias, of_attention.view_as(attention)


class BSPCNN(nn.Module):
    """`fused = model(ir, vi)`, the CNN baseline; 214,882 parameters for grey.

    Args:
        channels: channels of each input and of the output (1 or 3).

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same, in
    (-1, 1) by its tanh, near [0, 1] once trained. Sizes that are not
    multiples of 4 are padded by reflection and cropped inside.

    Source: Beyond Strict Pairing, supplement 7.1.1; widths from the released
    weights. The GAN baseline's generator is the same network.
    """

    multiple = 4

    def __init__(self, channels: int = 1):
        super().__init__()
        self.encode1 = nn.Sequential(
            nn.Conv2d(2 * channels, 16, 1), GroupNorm(2, 16), nn.LeakyReLU(inplace=True)
        )
        self.fuse1 = GlobalFusion(16)
        self.encode2 = nn.Sequential(
            dense_block(16, 4), nn.Conv2d(24, 12, 3, padding=1), nn.PixelUnshuffle(2)
        )
        self.fuse2 = GlobalFusion(48)
        self.encode3 = nn.Sequential(
            dense_block(48, 4), nn.Conv2d(56, 28, 3, padding=1), nn.PixelUnshuffle(2)
        )
        self.fuse3 = GlobalFusion(112)
        self.decode3 = nn.Sequential(
            dense_block(112, 8), nn.PixelShuffle(2), nn.Conv2d(32, 64, 3, padding=1)
        )
        self.decode2 = nn.Sequential(
            dense_block(112, 8), nn.PixelShuffle(2), nn.Conv2d(32, 64, 3, padding=1)
        )
        self.decode1 = nn.Sequential(
            nn.Conv2d(80 + 2 * channels, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, channels, 1),
            nn.Tanh(),
        )
        # Convolutions and pixel-wise layers read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> tuple[Tensor, ...]:
        """Fused features of the three scales, and the sources.

        Returns (B, 16, H, W), (B, 48, H/2, W/2), (B, 112, H/4, W/4) and the
        stacked sources (B, 2C, H, W). H and W must be multiples of 4.
        """
        sources = channels_last(torch.cat((ir, vi), 1))
        # Where the sources enter and the fused image leaves, autocast rounds nothing, because
        # bfloat16 has steps of a grey level or more: so the image is right within one level.
        # Training forgives noise on what enters, and gains a tenth of its time.
        with torch.autocast(sources.device.type, enabled=False):
            s0 = self.encode1(sources)
        if self.training:
            s0, sources = rounded(s0), rounded(sources)
        s1 = self.encode2(s0)
        s2 = self.encode3(s1)
        return s0 + self.fuse1(s0), s1 + self.fuse2(s1), s2 + self.fuse3(s2), sources

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """The fused image (B, C, H, W) from what `features` returned."""
        f0, f1, f2, sources = features
        dense, shuffle, up = self.decode2
        x = shuffle(dense(torch.cat((self.decode3(f2), f1), 1)))
        x = in_a_row(up, self.decode1[0], x, torch.cat((f0, sources), 1))
        x = self.decode1[1](x)
        with torch.autocast(x.device.type, enabled=False):
            return self.decode1[2:](x.to(self.decode1[2].weight.dtype))

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_multiple(ir, vi, self.multiple)
        return crop(self.decode(self.features(ir, vi)))
