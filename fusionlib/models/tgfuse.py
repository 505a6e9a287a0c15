"""TGFuse: a Transformer weights the scales of convolutions (Rao, TIP 2023).

Four encoders see the sources at full, half, quarter and eighth size. At the
smallest, one Transformer relates the channels of a patch, a second one all
patches, and gives one weight a pixel. The weights of the larger scales are
sums of the smaller ones', and the scales, weighted, add up to the image.

    x_k = encoder_k(half(x_{k-1})),  m_3 = Transformers(x_3)
    m_2 = up2(m_3),  m_1 = up2(m_2) + up4(m_3)
    m_0 = up2(m_1) + up4(m_2) + up8(m_3)
    fused = conv(x_0 m_0 + up2(x_1 m_1) + up4(x_2 m_2) + up8(x_3 m_3))
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import channels_last, pad_to_multiple, unrounded

SCALES, HEADS, DEPTH = 4, 4, 4
PATCHES = 16, 4  # sides of the patches that either Transformer sees, at an eighth of the size
LEVELS = 255  # the network takes and gives grey levels


class Block(nn.Module):
    """A Transformer block over tokens: (B, n, D) -> the same.

    Attention and a feed-forward part of 2 D, each behind a layer norm and
    around a residual.
    """

    def __init__(self, width: int):
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.copies = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        copies = self.copies(self.attention_norm(x)).unflatten(2, (3, HEADS, -1))
        q, k, v = copies.permute(2, 0, 3, 1, 4)  # (B, head, n, d)
        attention = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.merge((attention.to(v.dtype) @ v).transpose(1, 2).flatten(2))
        return x + self.feed_forward(self.forward_norm(x))


def transformer(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Four blocks between two linear layers: (B, n, inputs) -> (B, n, outputs).

    Inferred from the count: no positions are encoded, queries, keys and
    values have no bias, and a layer norm follows the last block.
    """
    return nn.Sequential(
        nn.Linear(inputs, width),
        *(Block(width) for _ in range(DEPTH)),
        nn.LayerNorm(width),
        nn.Linear(width, outputs),
    )


class Encoder(nn.Module):
    """One scale: 1x1, a residual block, 1x1; (B, C, H, W) -> (B, D, H, W).

    Inferred: zeros outside the image, slope 0.01, and that in the residual
    block the leaky ReLU precedes the batch norm.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(channels, width, 1), nn.LeakyReLU(inplace=True))
        self.residual = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(inplace=True),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(inplace=True),
            nn.BatchNorm2d(width),
        )
        self.leave = nn.Sequential(nn.Conv2d(width, width, 1), nn.LeakyReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.leave(F.relu(x + self.residual(x)))


class TGFuse(nn.Module):
    """`fused = model(ir, vi)`, TGFuse's generator; 137,339,735 parameters.

    Args:
        channels: 1; the published network takes grey images alone.
        width: of the convolutions.
        spectral, spatial: of the Transformer over channels and of the one over
            patches, which holds 136.4 million of the parameters.

    Shapes: ir, vi (B, 1, H, W) in [0, 1], any H and W; fused the same. The
    last layer is linear, so that nothing bounds it; it is near [0, 1] once
    trained. Sizes that are not multiples of 128 are padded by reflection and
    cropped inside; the released test code pads with grey to multiples of 256.
    The network itself computes on grey levels, 0 to 255, as the released one.

    Source: Rao, Xu, Wu, "TGFuse: An infrared and visible image fusion approach
    based on Transformer and generative adversarial network", IEEE TIP 2023;
    widths from the released code. Inferred: a channel sees the channels of
    its own patch alone.
    """

    multiple = 128
    # Half a gigabyte of weights: a run keeps the last ones alone.
    heavy = True

    def __init__(
        self, channels: int = 1, width: int = 64, spectral: int = 128, spatial: int = 2048
    ):
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 1), nn.LeakyReLU(inplace=True)
        )
        self.encoders = nn.ModuleList(
            Encoder(width if scale else 2 * channels, width) for scale in range(SCALES)
        )
        large, small = (side**2 for side in PATCHES)
        self.spectral = transformer(large, spectral, large)
        self.spatial = transformer(small * width, spatial, small)
        self.last = nn.Conv2d(width, channels, 1)
        # Convolutions read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def weights_of(self, x: Tensor) -> Tensor:
        """m_3 (B, 1, h, w) of x_3 (B, D, h, w); h and w are multiples of 16."""
        patches = _patches(x, PATCHES[0])  # (B, rows, columns, D, 16, 16)
        tokens = patches.flatten(4).flatten(0, 2)
        x = _whole(self.spectral(tokens).view(patches.shape))
        patches = _patches(x, PATCHES[1])  # (B, rows, columns, D, 4, 4)
        weights = self.spatial(patches.flatten(3).flatten(1, 2))
        shape = *patches.shape[:3], 1, *patches.shape[4:]
        return _whole(weights.view(shape))

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """The weighted scales' sum (B, D, H, W); H and W multiples of 128."""
        x = self.enter(channels_last(LEVELS * torch.cat((ir, vi), 1)))
        scales = []
        for scale, encoder in enumerate(self.encoders):
            scales.append(x := encoder(F.avg_pool2d(x, 2) if scale else x))
        weights = [self.weights_of(x)]  # of the smallest scale first
        for _ in scales[1:]:
            larger = [_up(m, 2 ** (k + 1)) for k, m in enumerate(reversed(weights))]
            weights.append(sum(larger))
        return sum(
            _up(x * m, 2**scale)
            for scale, (x, m) in enumerate(zip(scales, reversed(weights), strict=True))
        )

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, 1, H, W) of the weighted scales' sum."""
        # bfloat16 has steps of a grey level or more, so autocast rounds nothing here.
        with unrounded(features):
            return self.last(features.to(self.last.weight.dtype)) / LEVELS

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_multiple(ir, vi, self.multiple)
        return crop(self.decode(self.features(ir, vi)))


def _patches(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) -> (B, H / side, W / side, C, side, side)."""
    return x.unflatten(3, (-1, side)).unflatten(2, (-1, side)).permute(0, 2, 4, 1, 3, 5)


def _whole(patches: Tensor) -> Tensor:
    """(B, rows, columns, C, side, side) -> (B, C, H, W)."""
    return patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _up(x: Tensor, factor: int) -> Tensor:
    """(B, C, H, W) -> (B, C, factor H, factor W), corners aligned."""
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)
