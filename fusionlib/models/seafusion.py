"""SeAFusion: dense blocks with gradients, two encoders, one decoder (Tang, 2022).

Each modality has an encoder of its own. A block adds two views of its maps: a
dense branch, whose convolutions see all maps before them, and their gradients,
by depth-wise kernels that begin as Sobel's.

    maps = cat(encode_i(ir), encode_v(vi))       48 channels each
    fused = tanh(convolutions(maps)) / 2 + 1/2
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import channels_last, check_channels, leaky, unrounded

WIDTHS = 16, 32, 48  # of an encoder's maps
DECODER = 96, 64, 32, 16  # of the maps that the decoder's convolutions see


class Sobel(nn.Module):
    """|x * S| + |x * S^T| of each channel: (B, C, H, W) -> the same.

    The kernels are weights like others, and no longer Sobel's after training.
    """

    def __init__(self, channels: int):
        super().__init__()
        kernel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.across, self.down = (
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            for _ in range(2)
        )
        with torch.no_grad():
            self.across.weight.copy_(kernel)
            self.down.weight.copy_(kernel.T)

    def forward(self, x: Tensor) -> Tensor:
        return self.across(x).abs() + self.down(x).abs()


class GradientBlock(nn.Module):
    """A gradient residual dense block: (B, I, H, W) -> (B, O, H, W)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.dense = nn.ModuleList([leaky(inputs, inputs), leaky(2 * inputs, inputs)])
        self.leave = nn.Conv2d(3 * inputs, outputs, 1)
        self.sobel = Sobel(inputs)
        self.residual = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in self.dense:
            seen = torch.cat((seen, layer(seen)), 1)
        return F.leaky_relu(self.leave(seen) + self.residual(self.sobel(x)), 0.1)


def encoder(channels: int) -> nn.Sequential:
    """One modality's images (B, C, H, W) -> (B, 48, H, W)."""
    blocks = (GradientBlock(*widths) for widths in pairwise(WIDTHS))
    return nn.Sequential(leaky(channels, WIDTHS[0]), *blocks)


class SeAFusion(nn.Module):
    """`fused = model(ir, vi)`, SeAFusion; 166,883 parameters, in colour 167,753.

    Args:
        channels: channels of each input and of the output (1 or 3).
        unused: whether to hold the batch norms, one for each layer of the
            decoder, that the released network constructs and never calls: 226
            of its parameters, in colour 230. They are never trained.

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same, in
    (0, 1) by its tanh.

    Source: Tang, Yuan, Ma, "Image fusion in the loop of high-level vision
    tasks: A semantic-aware real-time infrared and visible image fusion
    network", Information Fusion 2022; widths from the released code, where
    the Sobel kernels are trained and the network takes one channel; SSVIF
    gives it three. Inferred: zeros outside the image, for Sobel's kernels,
    too.
    """

    feature_channels = (2 * WIDTHS[-1],)

    def __init__(self, channels: int = 1, unused: bool = True):
        super().__init__()
        self.channels = channels
        self.encode_ir, self.encode_vi = encoder(channels), encoder(channels)
        self.decoder = nn.Sequential(
            *(leaky(*widths) for widths in pairwise(DECODER)),
            nn.Conv2d(DECODER[-1], channels, 3, padding=1),
        )
        if unused:
            self.unused = nn.ModuleList(map(nn.BatchNorm2d, (*DECODER[1:], channels)))
        # Convolutions read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """Both encoders' maps (B, 96, H, W), of ir first."""
        check_channels(ir, vi, self.channels)
        maps = self.encode_ir(channels_last(ir)), self.encode_vi(channels_last(vi))
        return torch.cat(maps, 1)

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, C, H, W) of both encoders' maps."""
        x, last = self.decoder[:-1](features), self.decoder[-1]
        # bfloat16 has steps of a grey level or more, so autocast rounds nothing here.
        with unrounded(x):
            return torch.tanh(last(x.to(last.weight.dtype))) / 2 + 0.5

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        return self.decode(self.features(ir, vi))
