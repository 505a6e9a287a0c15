"""CDDFuse: base and detail features, fused apart (Zhao et al., CVPR 2023).

One encoder reads either modality and splits what it sees: a base branch with
attention over the whole image, and a detail branch that can be inverted. Base
joins base, detail joins detail, and one decoder turns both into an image: of a
single source in the first phase of the training, fused in the second.

    base_i, detail_i = encode(ir),  base_v, detail_v = encode(vi)
    fused = decode(F_base(base_i + base_v), F_detail(detail_i + detail_v), vi)
"""

import torch
from torch import Tensor, nn

from fusionlib.models.layers import channels_last, pad_to_two, unrounded
from fusionlib.models.restormer import (
    ChannelAttention,
    GatedFeedForward,
    RestormerBlock,
    dense_block,
)

WIDTH, HEADS, BLOCKS = 64, 8, 4


def blocks() -> nn.Sequential:
    """The Restormer blocks at either end: (B, 64, H, W) -> the same."""
    return nn.Sequential(
        *(
            RestormerBlock(
                WIDTH,
                ChannelAttention(WIDTH, HEADS, groups=3 * WIDTH),
                GatedFeedForward(WIDTH, 2 * WIDTH),
            )
            for _ in range(BLOCKS)
        )
    )


def bottleneck(channels: int) -> nn.Sequential:
    """An inverted bottleneck: (B, C, H, W) -> the same, 2 C channels within."""
    wide = 2 * channels
    return nn.Sequential(
        nn.Conv2d(channels, wide, 1, bias=False),
        nn.ReLU6(inplace=True),
        nn.Conv2d(wide, wide, 3, padding=1, padding_mode="reflect", groups=wide, bias=False),
        nn.ReLU6(inplace=True),
        nn.Conv2d(wide, channels, 1, bias=False),
    )


class Coupling(nn.Module):
    """An affine coupling of two halves of the channels, which can be undone.

    (B, 64, H, W) -> the same. Inferred from the count: the 1x1 layer that
    mixes the halves first has a bias, and the bottlenecks have none.
    """

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(WIDTH, WIDTH, 1)
        self.phi, self.rho, self.eta = (bottleneck(WIDTH // 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        z1, z2 = self.mix(x).chunk(2, 1)
        z2 = z2 + self.phi(z1)
        z1 = z1 * self.rho(z2).exp() + self.eta(z2)
        return torch.cat((z1, z2), 1)


class CDDFuse(nn.Module):
    """`fused = model(ir, vi)`, CDDFuse; 1,188,272 parameters.

    Args:
        channels: 1; the published network takes grey images alone.

    Shapes: ir, vi (B, 1, H, W) in [0, 1], any H and W; fused the same, in
    (0, 1) by a sigmoid. The visible image is added before the sigmoid, so
    that untrained the network's image is pale.

    Source: Zhao et al., "CDDFuse: Correlation-driven dual-branch feature
    decomposition for multi-modality image fusion", CVPR 2023; widths from the
    released code. Inferred: the dense 3x3 layer of the base branch sees zeros
    outside the image.
    """

    def __init__(self, channels: int = 1):
        super().__init__()
        self.encoder = nn.ModuleDict(
            {
                "embed": nn.Conv2d(channels, WIDTH, 3, padding=1, bias=False),
                "shared": blocks(),
                "base": dense_block(WIDTH, HEADS),
                "detail": nn.Sequential(*(Coupling() for _ in range(3))),
            }
        )
        self.base_fusion = dense_block(WIDTH, HEADS)
        self.detail_fusion = Coupling()
        self.decoder = nn.Sequential(
            nn.Conv2d(2 * WIDTH, WIDTH, 1, bias=False),
            blocks(),
            nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1, bias=False),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(WIDTH // 2, channels, 3, padding=1, bias=False),
        )
        # Most layers read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Base and detail, (B, 64, H, W) each, of either modality's images.

        H and W are 2 or more.
        """
        shared = self.encoder["shared"](self.encoder["embed"](channels_last(images)))
        return self.encoder["base"](shared), self.encoder["detail"](shared)

    def join(
        self, of_ir: tuple[Tensor, Tensor], of_vi: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The fused base and detail of both sources' base and detail."""
        (base_i, detail_i), (base_v, detail_v) = of_ir, of_vi
        return self.base_fusion(base_i + base_v), self.detail_fusion(detail_i + detail_v)

    def features(self, ir: Tensor, vi: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fused base and detail, (B, 64, H, W) each, and the visible image."""
        both = self.encode(torch.cat((ir, vi)))
        of_ir, of_vi = zip(*(part.chunk(2) for part in both), strict=True)
        return *self.join(of_ir, of_vi), vi

    def decode(self, features: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The image (B, 1, H, W) of base, detail and the image they refine.

        That image is the visible one, or in the first phase of the training
        the source itself, which is to come back.
        """
        base, detail, image = features
        change = self.decoder(torch.cat((base, detail), 1))
        # bfloat16 has steps of a grey level or more.
        with unrounded(change):
            return torch.sigmoid(change.to(image.dtype) + image)

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_two(ir, vi)
        return crop(self.decode(self.features(ir, vi)))
