"""MMDRFuse: a network of 113 parameters and its teacher (Deng et al., MM 2024).

The student is two convolutions. What it fuses, and the four maps that it fuses
them from, follow a teacher that is five thousand times as large.

    maps = relu(conv(ir, vi))        4 channels
    fused = tanh(conv(maps))

The teacher makes its four maps with a U-shaped network of two scales, whose
half-size level is densely connected, and ends with the same two steps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import mirrored, pad_to_multiple, pad_to_two, unrounded

MAPS = 4  # channels that student and teacher share


class _FromMaps(nn.Module):
    """The end that both networks share: four maps become the fused image."""

    last: nn.Conv2d

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, 1, H, W) of the four maps (B, 4, H, W)."""
        # bfloat16 has steps of a grey level or more, so autocast rounds nothing here.
        with unrounded(features):
            return torch.tanh(self.last(features.to(self.last.weight.dtype)))


class MMDRFuse(_FromMaps):
    """`fused = model(ir, vi)`, the student; 113 parameters.

    Args:
        channels: 1; the published network takes grey images alone.

    Shapes: ir, vi (B, 1, H, W) in [0, 1], any H and W; fused the same, in
    (-1, 1) by its tanh, near [0, 1] once trained.

    Source: Deng et al., "MMDRFuse: Distilled mini-model with dynamic refresh
    for multi-modality image fusion", ACM MM 2024; widths from the released
    code.
    """

    def __init__(self, channels: int = 1):
        super().__init__()
        self.first = mirrored(2 * channels, MAPS)
        self.last = mirrored(MAPS, channels)

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """The four maps (B, 4, H, W), 0 or more. H and W are 2 or more."""
        sources = torch.cat((ir, vi), 1)
        # 76 weights: rounding them would cost more than it saves.
        with unrounded(sources):
            return F.relu(self.first(sources))

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_two(ir, vi)
        return crop(self.decode(self.features(ir, vi)))


class MMDRFuseTeacher(_FromMaps):
    """`fused = model(ir, vi)`, the teacher; 556,489 parameters.

    Args:
        channels: 1; the published network takes grey images alone.

    Shapes: as the student's. Sizes that are not multiples of 4 are padded by
    reflection and cropped inside.

    Source: as the student's. Inferred from the widths alone: that the decoder
    meets the encoder's maps in the opposite order, and a ReLU after each
    convolution but the last.
    """

    multiple = 4

    def __init__(self, channels: int = 1):
        super().__init__()
        self.full = nn.ModuleList([mirrored(2 * channels, 32), mirrored(32, 32)])
        self.dense = nn.ModuleList(
            [mirrored(64, 64, stride=2), mirrored(64, 64), mirrored(128, 64), mirrored(192, 64)]
        )
        self.back = nn.ModuleList(
            [mirrored(64, 64), mirrored(128, 64), mirrored(128, 64), mirrored(128, 64)]
        )
        self.out = nn.ModuleList([mirrored(96, 32), mirrored(64, MAPS)])
        self.last = mirrored(MAPS, channels)
        # Convolutions read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """The four maps (B, 4, H, W), 0 or more. H and W are multiples of 4."""
        full = [F.relu(self.full[0](torch.cat((ir, vi), 1)))]
        full.append(F.relu(self.full[1](full[0])))
        dense = [F.relu(self.dense[0](torch.cat(full, 1)))]
        for layer in self.dense[1:]:  # each sees all before it
            dense.append(F.relu(layer(torch.cat(dense, 1))))
        x = F.relu(self.back[0](dense.pop()))
        for layer in self.back[1:]:
            x = F.relu(layer(torch.cat((x, dense.pop()), 1)))
        x = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        for layer in self.out:
            x = F.relu(layer(torch.cat((x, full.pop()), 1)))
        return x

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_multiple(ir, vi, self.multiple)
        return crop(self.decode(self.features(ir, vi)))
