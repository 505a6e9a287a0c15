"""RegionFuse: region-adaptive fusion with routed attention (CVPR 2026), a reconstruction.

Two encoders of X-Restormer blocks, one a modality; three rounds in which the
joined maps go through a RegionFormer block and are compressed region by
region; a decoder.

    a, b = encode_i(ir), encode_v(vi)
    g = 0;  three times:  g = compress(block(cat(b + g, a + g)))
    fused = tanh(decoder(g)) / 2 + 1/2

The authors have published neither code nor weights. What the figure and the
supplement leave open is an argument or called inferred below. So are the 3x3
convolution before an encoder, the two behind the decoder, layer norms over
channels, and mirrored borders. The defaults have 2.80 of the printed 2.82
million parameters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.models.layers import pad_to_multiple, unrounded
from fusionlib.models.region_attention import RegionAttention, Routing
from fusionlib.models.restormer import ChannelNorm, GatedFeedForward
from fusionlib.models.xrestormer import WINDOW, XRestormerBlock

ROUNDS = 3


class RegionFormerBlock(nn.Module):
    """x + attention(norm(x)), then x + gated layer(norm(x)): (B, C, H, W).

    Source: RegionFuse, overview figure (a). Inferred: the layer that the
    figure calls MLP is Restormer's, of twice the channels.
    """

    def __init__(self, channels: int, **attention):
        super().__init__()
        self.attention_norm = ChannelNorm(channels)
        self.attention = RegionAttention(channels, **attention)
        self.forward_norm = ChannelNorm(channels)
        self.feed_forward = GatedFeedForward(channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.forward_norm(x))


class RegionCompression(nn.Module):
    """RFCM: each region's channels are gated by its own means, then halved.

    Args:
        channels: of the input; the output has half of them.
        region: R.

    Shapes: (B, 2 C, H, W) -> (B, C, H, W), H and W multiples of R.

    Source: RegionFuse, overview figure (c). Inferred: a slope of 0.2.
    """

    def __init__(self, channels: int, region: int):
        super().__init__()
        self.region = region
        self.gate, self.halve = (
            nn.Conv2d(channels, channels, 1),
            nn.Conv2d(channels, channels // 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        gates = torch.sigmoid(self.gate(F.avg_pool2d(x, self.region)))
        gates = gates.repeat_interleave(self.region, 2).repeat_interleave(self.region, 3)
        return F.leaky_relu(self.halve(x * gates), 0.2)


class RegionFuse(nn.Module):
    """`fused = model(ir, vi)`; 2,798,777 parameters.

    Args:
        channels: of each input and of the output (1 or 3).
        width: C, of either modality's maps. Inferred: 64.
        region: R, 48 in the paper.
        experts: E, 4 in the paper.
        chosen: K, 2 in the paper.
        heads: of the X-Restormer blocks. Inferred: 4.
        decoder_blocks: X-Restormer blocks of the decoder. Inferred: 4.
        hidden: of the routers. Inferred: 96.
        renormalised, masks, scaled, calm: see `RegionAttention`.

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W: images are padded to
    multiples of 8, and maps for the fusion rounds to multiples of R. fused the
    same, in (0, 1) by its tanh (inferred). A pair of 480x640 takes up to
    3.5 GB on a CPU.

    Source: RegionFuse, overview figure and supplement; a reconstruction. Many
    other choices fit the printed parameters and operations as well.

    Raises FusionError for sizes that can't be.
    """

    stochastic = True  # in training: its routers' noise

    def __init__(
        self,
        channels: int = 1,
        width: int = 64,
        region: int = 48,
        experts: int = 4,
        chosen: int = 2,
        heads: int = 4,
        decoder_blocks: int = 4,
        hidden: int = 96,
        renormalised: bool = True,
        masks: str = "inside",
        scaled: bool = True,
        calm: float = -3.0,
    ):
        super().__init__()
        least = {"width": (width, 2), "region": (region, 1), "heads": (heads, 1)}
        least |= {"experts": (experts, 1), "hidden": (hidden, 1)}
        least["decoder_blocks"] = (decoder_blocks, 0)
        for name, (value, smallest) in least.items():
            if not isinstance(value, int) or value < smallest:
                raise FusionError(f"{name} of RegionFuse is {smallest} or more, not {value!r}.")
        if width % heads:
            raise FusionError(f"width={width} can't be shared among {heads} heads.")
        self.region, self.feature_channels = region, (width,)
        self.encode_ir, self.encode_vi = (
            nn.Sequential(
                nn.Conv2d(channels, width, 3, padding=1),
                *(XRestormerBlock(width, heads) for _ in range(2)),
            )
            for _ in range(2)
        )
        attention = {"region": region, "experts": experts, "chosen": chosen, "hidden": hidden}
        attention |= {"renormalised": renormalised, "masks": masks}
        attention |= {"scaled": scaled, "calm": calm}
        self.blocks = nn.ModuleList(
            RegionFormerBlock(2 * width, **attention) for _ in range(ROUNDS)
        )
        self.compressions = nn.ModuleList(
            RegionCompression(2 * width, region) for _ in range(ROUNDS)
        )
        self.decoder = nn.Sequential(
            *(XRestormerBlock(width, heads) for _ in range(decoder_blocks)),
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width // 2, channels, 3, padding=1),
        )

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """The maps (B, width, H, W) of the last round, H and W multiples of 8."""
        ir, vi, _ = pad_to_multiple(ir, vi, WINDOW)
        a, b, crop = pad_to_multiple(self.encode_ir(ir), self.encode_vi(vi), self.region)
        found = torch.zeros_like(a)
        for block, compress in zip(self.blocks, self.compressions, strict=True):
            # The figure's order: visible, then infrared.
            found = compress(block(torch.cat((b + found, a + found), 1)))
        return crop(found)

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, C, H, W) of the last round's maps."""
        x, last = self.decoder[:-1](features), self.decoder[-1]
        with unrounded(x):
            return torch.tanh(last(x.to(last.weight.dtype))) / 2 + 0.5

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        height, width = ir.shape[-2:]
        return self.decode(self.features(ir, vi))[..., :height, :width]

    @property
    def routings(self) -> tuple[Routing, ...]:
        """Where the routers of the three rounds sent the last batch."""
        return tuple(block.attention.routing for block in self.blocks)
