"""X-Restormer's block: attention of channels, then of pixels in overlapping windows.

RegionFuse builds its encoders and decoder of it. Both attentions are followed
by Restormer's gated layer, and each of the four halves is added to what it saw.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.attention import attend
from fusionlib.models.restormer import ChannelAttention, ChannelNorm, GatedFeedForward

WINDOW, REACH = 8, 12  # sides of a window of queries, and of the keys around it, in pixels
HEAD_WIDTH = 16  # channels of a head
EXPANSION = 2.66


class OverlappingAttention(nn.Module):
    """Attention of the pixels of a window to those of a larger one around it.

    Args:
        channels: C.
        heads: of 16 channels each, whatever C is.

    Shapes: (B, C, H, W) -> the same; H and W are multiples of 8. A window of
    8 x 8 pixels asks the 12 x 12 around it. A score is moved by what the query
    has in common with a learnt vector of the offset, one down and one across.
    Beyond the image keys and values are 0.

    Source: X-Restormer (Chen et al. 2024), OCA; sizes from the released code.
    No layer has a bias.
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads, inner = heads, heads * HEAD_WIDTH
        self.copies = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.merge = nn.Conv2d(inner, channels, 1, bias=False)
        scale = HEAD_WIDTH**-0.5
        self.down, self.across = (
            nn.Parameter(torch.randn(2 * REACH - 1, HEAD_WIDTH) * scale) for _ in range(2)
        )
        # The vector of a key's place less the query's, both from 0 on, lies 11 further on.
        offsets = torch.arange(REACH) - torch.arange(WINDOW)[:, None] + REACH - 1
        self.register_buffer("offsets", offsets, persistent=False)
        # Where each of the 144 keys lies: its row is one of 12, and so is its column.
        place = torch.eye(REACH)
        places = torch.cat((place.repeat_interleave(REACH, 0), place.repeat(REACH, 1)), 1)
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        rows, columns = height // WINDOW, width // WINDOW
        q, k, v = self.copies(x).chunk(3, 1)
        shape = batch * self.heads, HEAD_WIDTH, rows, WINDOW, columns, WINDOW
        q = q.reshape(shape).permute(0, 2, 4, 3, 5, 1) * HEAD_WIDTH**-0.5
        k, v = self._around(k), self._around(v)
        down = torch.einsum("nabyxc,yjc->nabyxj", q, self.down[self.offsets])
        across = torch.einsum("nabyxc,xjc->nabyxj", q, self.across[self.offsets])
        # What moves a score is a product as well: of what the query has in common with each row
        # and column, and of where the key lies. So no score need be written out.
        asked = torch.cat((q, down, across), -1).view(len(k), 1, WINDOW**2, -1)
        keys = torch.cat((k, self.places.to(k.dtype).expand(len(k), 1, -1, -1)), -1)
        seen = attend(asked, keys, v, scale=1.0)
        seen = seen.reshape(*q.shape).permute(0, 5, 1, 3, 2, 4)
        return self.merge(seen.reshape(batch, -1, height, width))

    def _around(self, x: Tensor) -> Tensor:
        """Each window's larger one: (B, heads 16, H, W) -> (B heads windows, 1, 144, 16)."""
        x = x.reshape(-1, HEAD_WIDTH, *x.shape[2:])
        windows = F.unfold(x, REACH, padding=(REACH - WINDOW) // 2, stride=WINDOW)
        windows = windows.view(len(x), HEAD_WIDTH, REACH**2, -1).permute(0, 3, 2, 1)
        return windows.reshape(-1, 1, REACH**2, HEAD_WIDTH)


class XRestormerBlock(nn.Module):
    """Attention of channels, gated layer, attention of pixels, gated layer.

    Args:
        channels: C, a multiple of `heads`.
        heads: of both attentions.

    Shapes: (B, C, H, W) -> the same; H and W are multiples of 8. 107,148
    parameters for C = 64 and 4 heads.

    Source: X-Restormer (Chen et al. 2024), Figure 2; sizes from the released
    code.
    """

    def __init__(self, channels: int, heads: int):
        super().__init__()
        hidden = int(EXPANSION * channels)
        self.halves = nn.ModuleList(
            [
                ChannelAttention(channels, heads, groups=3 * channels),
                GatedFeedForward(channels, hidden),
                OverlappingAttention(channels, heads),
                GatedFeedForward(channels, hidden),
            ]
        )
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in self.halves)

    def forward(self, x: Tensor) -> Tensor:
        for norm, half in zip(self.norms, self.halves, strict=True):
            x = x + half(norm(x))
        return x
