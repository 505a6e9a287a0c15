"""PIAFusion: two encoders that tell each other what they lack (Tang, Information Fusion 2022).

After three of an encoder's layers each modality is given what the other has
more of, channel by channel, weighed by how much that is on the whole:

    a' = a + (b - a) sigmoid(mean(b - a)),  b' = b + (a - b) sigmoid(mean(a - b))

What both made is joined, and convolutions make the image of it.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from fusionlib.errors import FusionError
from fusionlib.models.layers import pad_to_multiple, unrounded
from fusionlib.models.xrestormer import WINDOW, XRestormerBlock

WIDTHS = 16, 16, 32, 64, 128  # of an encoder's maps
DECODER = 256, 256, 128, 64, 32
ENCODERS = "convolutions", "xrestormer"


def exchanged(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both modalities' maps (B, C, H, W) with what the other has more of."""
    # CMDAF
    more, less = b - a, a - b
    weighed = (side * torch.sigmoid(side.mean((2, 3), keepdim=True)) for side in (more, less))
    of_a, of_b = weighed
    return a + of_a, b + of_b


def layer(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    """A convolution that sees the image mirrored at its border, and a leaky ReLU."""
    padded = {"padding": size // 2, "padding_mode": "reflect"}
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, **padded), nn.LeakyReLU(0.01))


class PIAFusion(nn.Module):
    """`fused = model(ir, vi)`, PIAFusion; 1,176,097 parameters.

    Args:
        channels: channels of each input and of the output (1 or 3).
        encoder: "convolutions" as published, or "xrestormer": the encoder that
            RegionFuse's Table 5 puts in its place. Inferred: a convolution to
            32 maps, two X-Restormer blocks with an exchange after each, and a
            1x1 convolution to the 128 maps that the decoder takes.

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same, in
    (0, 1) by its tanh.

    Source: Tang, Yuan, Zhang, Jiang, Ma, "PIAFusion", Information Fusion 2022;
    sizes from the released code.

    Raises FusionError for another encoder.
    """

    feature_channels = (2 * WIDTHS[-1],)

    def __init__(self, channels: int = 1, encoder: str = ENCODERS[0]):
        super().__init__()
        if encoder not in ENCODERS:
            raise FusionError(f"encoder of PIAFusion is {' or '.join(ENCODERS)}, not {encoder!r}.")
        self.windowed = encoder == "xrestormer"
        make = restoring_encoder if self.windowed else convolutional_encoder
        self.encode_ir, self.encode_vi = make(channels), make(channels)
        self.decoder = nn.Sequential(
            *(layer(*widths) for widths in pairwise(DECODER)),
            nn.Conv2d(DECODER[-1], channels, 1),
        )

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """Both encoders' maps (B, 256, H, W), of vi first.

        H and W are at least 2, and with X-Restormer's blocks multiples of 8.
        """
        multiple = WINDOW if self.windowed else 2 if min(ir.shape[-2:]) < 2 else 1
        ir, vi, _ = pad_to_multiple(ir, vi, multiple)
        # An exchange after each layer but the first and the last: 1x1, 3x3 | 3x3 | 3x3 | 3x3.
        for place, (of_ir, of_vi) in enumerate(zip(self.encode_ir, self.encode_vi, strict=True)):
            ir, vi = of_ir(ir), of_vi(vi)
            if 0 < place < len(self.encode_ir) - 1:
                vi, ir = exchanged(vi, ir)
        return torch.cat((vi, ir), 1)

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, C, H, W) of both encoders' maps."""
        x, last = self.decoder[:-1](features), self.decoder[-1]
        with unrounded(x):
            return torch.tanh(last(x.to(last.weight.dtype))) / 2 + 0.5

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        height, width = ir.shape[-2:]
        return self.decode(self.features(ir, vi))[..., :height, :width]


def convolutional_encoder(channels: int) -> nn.ModuleList:
    """A modality's layers as published: 1x1, then 3x3, an exchange after the second to fourth."""
    widths = pairwise(WIDTHS)
    return nn.ModuleList([layer(channels, WIDTHS[0], size=1), *(layer(*pair) for pair in widths)])


def restoring_encoder(channels: int, width: int = 32) -> nn.ModuleList:
    """A modality's layers with two X-Restormer blocks in place of convolutions."""
    blocks = [XRestormerBlock(width, heads=2) for _ in range(2)]
    return nn.ModuleList([layer(channels, width), *blocks, layer(width, WIDTHS[-1], size=1)])
