"""Restormer's halves, attention and gated layers; CDDFuse and EMMA build on them.

Both work on maps (B, C, H, W) of any size. The attention is of channels to
each other, so that its cost grows with the pixels and not with their square.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import to_map, to_pixels


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel: (B, C, H, W) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        return to_map(super().forward(to_pixels(x)), x)


class ChannelAttention(nn.Module):
    """Attention of the channels of each head to each other, over all pixels.

    Args:
        channels: C, a multiple of heads.
        heads: groups of channels that see each other.
        groups: of the 3x3 convolution that follows the 1x1: 3 C makes it
            depth-wise, 1 dense.

    Shapes: (B, C, H, W) -> the same. No layer has a bias.

    Source: Restormer (Zamir et al. 2022), Eq. 1, where it is depth-wise.
    """

    def __init__(self, channels: int, heads: int, groups: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.copies = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.around = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=groups, bias=False)
        self.merge = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        copies = to_pixels(self.around(self.copies(x)))
        q, k, v = copies.unflatten(2, (3, len(self.temperature), -1)).unbind(2)  # (B, n, head, c)
        # To divide the scores by the lengths is to divide the maps, which are far larger.
        q_length, k_length = (
            torch.linalg.vector_norm(copy, dim=1, dtype=torch.float32).clamp_min(1e-12)
            for copy in (q, k)
        )
        scores = q.permute(0, 2, 3, 1) @ k.transpose(1, 2)  # (B, head, c, c)
        cosines = scores / (q_length[..., None] * k_length[..., None, :])
        # Eq. 1
        attention = (cosines * self.temperature).softmax(-1)
        seen = v.transpose(1, 2) @ attention.mT.to(v.dtype)
        return self.merge(to_map(seen.transpose(1, 2).flatten(2), x))


class PairedConv(nn.Conv2d):
    """A 3x3 convolution in groups of two channels, mirrored at the border.

    Two depth-wise ones add up to it: a channel's own kernels, and those on its
    neighbour. On the CPU its own gradient in bfloat16 took a quarter of a step.

    Args:
        channels: C, even. (B, C, H, W) -> the same.
    """

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, groups=channels // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = self.in_channels
        own, other = self.weight.unflatten(0, (-1, 2)).unbind(1)  # of the first and the second
        kernels = torch.stack((own, other.flip(1)), 1).flatten(0, 1)  # own kernel first
        x = F.pad(x, (1, 1, 1, 1), "reflect")
        beside = x.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)
        return F.conv2d(x, kernels[:, :1], groups=channels) + F.conv2d(
            beside, kernels[:, 1:], groups=channels
        )


class GatedFeedForward(nn.Module):
    """1x1, 3x3, one half gated by GELU of the other, 1x1; no layer has a bias.

    Args:
        channels: C.
        hidden: of each half.
        paired: whether the 3x3 convolution sees two channels at a time and
            mirrors the border; else it is depth-wise and sees zeros there.

    Shapes: (B, C, H, W) -> the same.

    Source: Restormer, Eq. 2.
    """

    def __init__(self, channels: int, hidden: int, paired: bool = False):
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        if paired:
            self.around = PairedConv(2 * hidden)
        else:
            self.around = nn.Conv2d(
                2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False
            )
        self.reduce = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.around(self.expand(x)).chunk(2, 1)
        # GELU crawls over half of the channels where they lie together, so it gets its own copy.
        # Eq. 2
        return self.reduce(F.gelu(gate.clone()) * value)


class RestormerBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): (B, C, H, W).

    Args:
        channels: C.
        attention, feed_forward: the two halves, C channels to C channels.
    """

    def __init__(self, channels: int, attention: nn.Module, feed_forward: nn.Module):
        super().__init__()
        self.attention_norm, self.attention = ChannelNorm(channels), attention
        self.forward_norm, self.feed_forward = ChannelNorm(channels), feed_forward

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.forward_norm(x))


def dense_block(channels: int, heads: int) -> RestormerBlock:
    """What spans the image in CDDFuse and EMMA: (B, C, H, W) -> the same.

    The attention's 3x3 convolution is dense. The feed-forward part's sees two
    channels at a time, and mirrors the border. 363,016 parameters for C = 64
    and 8 heads.
    """
    return RestormerBlock(
        channels,
        ChannelAttention(channels, heads, groups=1),
        GatedFeedForward(channels, channels, paired=True),
    )
