"""EMMA's U-Fuser: two encoders, four scales, one decoder (Zhao et al., CVPR 2024).

Every level is the same block of two views: a Restormer block, which sees the
whole image, beside residual convolutions, which see what is near. Blocks fuse
the modalities at each scale, and a U-shaped decoder turns the scales into an
image.

    f_k = fuse_k(encode_i(ir)_k, encode_v(vi)_k)        k = 1..4, halved each
    x = block_4(f_4),  x = block_k(up(x), f_k)          k = 3, 2, 1
    fused = sigmoid(conv(x))
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import (
    channels_last,
    check_channels,
    mirrored,
    pad_to_multiple,
    unrounded,
)
from fusionlib.models.restormer import dense_block

WIDTHS = 8, 16, 32, 32  # of the maps at the four scales
HEADS = 8


class Residual(nn.Module):
    """x + two 3x3 convolutions of it, a ReLU between: (B, C, H, W) -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = mirrored(channels, channels), mirrored(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class Block(nn.Module):
    """What spans the image beside what is near: (B, I, H, W) -> (B, O, H, W).

    At 8 channels a head of the attention is one channel, which can only
    attend to itself: its value is kept, and query, key and temperature learn
    nothing.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.enter = mirrored(inputs, outputs, bias=False)
        self.whole = dense_block(outputs, HEADS)
        self.near = nn.Sequential(Residual(outputs), Residual(outputs))
        self.leave = mirrored(2 * outputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.leave(torch.cat((self.whole(x), self.near(x)), 1))


def encoder(channels: int) -> nn.ModuleList:
    """A modality's four scales: a block each, and a halving between them."""
    scales = [Block(channels, WIDTHS[0])]
    for before, width in pairwise(WIDTHS):
        halve = mirrored(before, before, stride=2, bias=False)
        scales.append(nn.Sequential(halve, Block(before, width)))
    return nn.ModuleList(scales)


class Enlarge(nn.Module):
    """(B, I, H, W), enlarged, joins a scale (B, O, 2H, 2W) -> the latter shape."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.block = Block(2 * outputs, outputs)

    def forward(self, x: Tensor, larger: Tensor) -> Tensor:
        return self.block(torch.cat((F.relu(self.up(x)), larger), 1))


class EMMA(nn.Module):
    """`fused = model(ir, vi)`, EMMA; 1,517,657 parameters, in colour 1,518,091.

    Args:
        channels: channels of each input and of the output (1 or 3).

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same, in
    (0, 1) by its sigmoid. Sizes that are not multiples of 8, or are below 16,
    are padded by reflection and cropped inside; the released test code takes
    multiples of 32.

    Source: Zhao et al., "Equivariant multi-modality image fusion", CVPR 2024;
    widths from the released code, whose network takes one channel; SSVIF
    gives it three. Inferred: the dense 3x3 layer of the attention sees zeros
    outside the image, and the order of maps that are joined.
    """

    multiple = 8
    feature_channels = WIDTHS

    def __init__(self, channels: int = 1):
        super().__init__()
        self.channels = channels
        self.encode_ir, self.encode_vi = encoder(channels), encoder(channels)
        self.fuse = nn.ModuleList(Block(2 * width, width) for width in WIDTHS)
        self.smallest = Block(WIDTHS[-1], WIDTHS[-1])
        self.enlarge = nn.ModuleList(Enlarge(*widths) for widths in pairwise(WIDTHS[::-1]))
        self.last = mirrored(WIDTHS[0], channels)
        # Most layers read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """f_1 to f_4, the modalities fused at each scale.

        (B, 8, H, W), (B, 16, H/2, W/2), (B, 32, H/4, W/4), (B, 32, H/8, W/8);
        H and W are multiples of 8, and 16 or more.
        """
        check_channels(ir, vi, self.channels)
        fused = []
        of_ir, of_vi = channels_last(ir), channels_last(vi)
        for read_ir, read_vi, fuse in zip(self.encode_ir, self.encode_vi, self.fuse, strict=True):
            of_ir, of_vi = read_ir(of_ir), read_vi(of_vi)
            fused.append(fuse(torch.cat((of_ir, of_vi), 1)))
        return tuple(fused)

    def decode(self, features: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """The fused image (B, C, H, W) of f_1 to f_4."""
        *larger, x = features
        x = self.smallest(x)
        for enlarge, scale in zip(self.enlarge, reversed(larger), strict=True):
            x = enlarge(x, scale)
        # bfloat16 has steps of a grey level or more, so autocast rounds nothing here.
        with unrounded(x):
            return torch.sigmoid(self.last(x.to(self.last.weight.dtype)))

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        # Two rows at the smallest scale: there is nothing to mirror in one.
        least = 2 * self.multiple if min(ir.shape[2:]) <= self.multiple else self.multiple
        ir, vi, crop = pad_to_multiple(ir, vi, least)
        return crop(self.decode(self.features(ir, vi)))
