"""The Transformer baseline of Beyond Strict Pairing (supplement 7.1.1, Figure 8b).

A U-shaped network of three scales, as the CNN baseline, with Transformer
layers E_i and R_i whose attention runs over channels: no position is encoded,
so unregistered sources teach it no wrong one. F_i adds local detail. The paper
draws the network; the widths are those of the released weights.

    s0 = project(ir, vi)        16 channels, full size
    s1 = down(E_2(s0))          32 channels, half size
    s2 = down(E_3(s1))          64 channels, a quarter
    x  = up(R_3(s2, F_3(s2)))
    x  = up(R_2(x, F_2(s1), s1))
    fused = R_1(x, s0, F_1(s0))
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.models.layers import (
    GroupNorm,
    channels_last,
    in_a_row,
    pad_to_multiple,
    rounded,
    to_map,
    to_pixels,
)

HEADS = 8
HIDDEN = 64  # of every feed-forward part


class ChannelAttention(nn.Module):
    """Attention of C channels to each other, without making queries or keys.

    As published, a grouped 1x1 layer makes a query, a key and a value copy of
    every channel for each of 8 heads. Each copy is thus an affine map of one
    channel x_c of n pixels:

        q_hc = a_hc x_c + b_hc,   k_hc = a'_hc x_c + b'_hc,   v_hc = ...

    With mu_c the mean of x_c, q_hc = a_hc (x_c - mu_c) + (a_hc mu_c + b_hc),
    and what varies is orthogonal to what does not. So everything that the
    scores need follows from the Gram matrix K = (X - mu)(X - mu)^T (C x C) and
    the means of the copies, mean(q_hc) = a_hc mu_c + b_hc:

        <q_hc, k_hd> = a_hc a'_hd K_cd + n mean(q_hc) mean(k_hd)

    and so do the norms |q_hc|, |k_hc|. The values and the grouped layer that
    merges the heads are affine, too, so the output is one C x C matrix
    applied to X, plus a constant for each channel. This is an identity, not
    an approximation; 24 C maps of n pixels are never made. (X X^T would do as
    well, but float32 loses its digits where a flat image's copies are near 0.)

    Shapes: (B, n, C) -> (B, n, C), pixels in any order.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(1, HEADS, 1, 1))
        self.copies = nn.Conv2d(channels, 3 * HEADS * channels, 1, groups=channels)
        self.merge = nn.Conv2d(HEADS * channels, channels, 1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        # bfloat16 would round scores that differ little; C x C numbers cost nothing.
        with torch.autocast(x.device.type, enabled=False):
            matrix, constant = self.as_matrix(x.to(self.temperature.dtype))
        return torch.baddbmm(constant[:, None].to(x.dtype), x, matrix.mT.to(x.dtype))

    def as_matrix(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """M (B, C, C) and c (B, C) such that the output of pixel p is M x_p + c."""
        pixels = x.shape[1]
        slopes, offsets = (
            values.view(-1, 3, HEADS).permute(1, 2, 0)  # query, key, value; head; channel
            for values in (self.copies.weight.flatten(), self.copies.bias)
        )
        mean = x.sum(1, keepdim=True) / pixels
        centred = x - mean
        gram = (centred.mT @ centred)[:, None]  # the same for every head
        means = slopes[:2, None] * mean + offsets[:2, None]  # of queries and keys: (2, B, head, C)
        norms = slopes[:2, None].square() * gram.diagonal(0, -2, -1) + pixels * means.square()
        scale = norms.clamp_min(1e-24).rsqrt()  # divides a copy by its length, as F.normalize does
        q_scale, k_scale = scale[0] * self.temperature[..., 0], scale[1]
        varying = (slopes[0] * q_scale)[..., None] * gram * (slopes[1] * k_scale)[..., None, :]
        steady = (means[0] * q_scale * pixels)[..., None] @ (means[1] * k_scale)[..., None, :]
        attention = (varying + steady).softmax(-1)  # (B, head, C, C)
        heads = self.merge.weight.view(-1, HEADS).T  # (head, C)
        matrix = (attention * (heads[..., None] * slopes[2][:, None])).sum(1)
        constant = ((attention @ offsets[2][..., None])[..., 0] * heads).sum(1) + self.merge.bias
        return matrix, constant


class TransformerLayer(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.attention_norm = GroupNorm(2, channels)
        self.attention = ChannelAttention(channels)
        self.forward_norm = GroupNorm(2, channels)
        self.expand = nn.Linear(channels, HIDDEN)
        self.reduce = nn.Linear(HIDDEN, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + to_map(self.attention(to_pixels(self.attention_norm(x))), x)
        hidden = F.gelu(self.expand(to_pixels(self.forward_norm(x))))
        return x + to_map(self.reduce(hidden), x)


class LocalFusion(nn.Module):
    """F_i: a pixel-wise expansion gated by each pixel's neighbourhood.

    The gate is efficient channel attention made local: the mean of three
    pixels in reading order (also across the ends of rows, as published), a
    sum over three neighbouring hidden channels, and a sigmoid. The published
    layer keeps a full matrix whose other entries a mask sets to 0; so does
    this one, to hold the published number of parameters.

    Shapes: (B, C, H, W) -> (B, C, H, W).
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.expand = nn.Linear(channels, hidden)
        self.reduce = nn.Linear(hidden, channels)
        self.neighbours = nn.Linear(hidden, hidden, bias=False)
        self.register_buffer("band", band(hidden), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.expand(to_pixels(x)))
        local = F.avg_pool1d(hidden.mT, 3, 1, 1).mT
        gate = torch.sigmoid(F.linear(local, self.neighbours.weight * self.band))
        return to_map(self.reduce(hidden * gate), x)


def band(size: int) -> Tensor:
    """(size, size): 1 on the three central diagonals, 0 elsewhere."""
    return torch.ones(size, size).tril(1).triu(-1)


def down(channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, 2C, H/2, W/2)."""
    return nn.Sequential(nn.Conv2d(channels, channels // 2, 3, padding=1), nn.PixelUnshuffle(2))


def up() -> nn.Sequential:
    """(B, 128, H, W) -> (B, 64, 2H, 2W)."""
    return nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(32, 64, 3, padding=1))


class BSPTransformer(nn.Module):
    """`fused = model(ir, vi)`, the Transformer baseline; 187,417 parameters.

    Args:
        channels: channels of each input and of the output (1 or 3).

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same, in
    (-1, 1) by its tanh, near [0, 1] once trained. Sizes that are not
    multiples of 4 are padded by reflection and cropped inside.

    Source: Beyond Strict Pairing, supplement 7.1.1; widths from the released
    weights. Note on paper and code: the attention is computed by an identity
    (see `ChannelAttention`), with the published numbers as its result.
    """

    multiple = 4

    def __init__(self, channels: int = 1):
        super().__init__()
        self.project = nn.Conv2d(2 * channels, 16, 1)
        self.fuse1 = LocalFusion(16, 64)
        self.encode2 = nn.Sequential(TransformerLayer(16), down(16))
        self.fuse2 = LocalFusion(32, 96)
        self.encode3 = nn.Sequential(TransformerLayer(32), down(32))
        self.fuse3 = LocalFusion(64, 192)
        self.decode3 = nn.Sequential(TransformerLayer(128), up())
        self.decode2 = nn.Sequential(TransformerLayer(128), up())
        self.decode1 = nn.Sequential(
            nn.Conv2d(96, 32, 1), nn.ReLU(inplace=True), nn.Conv2d(32, channels, 1), nn.Tanh()
        )
        # Attention and feed-forward layers read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> tuple[Tensor, ...]:
        """What the decoder reads at each scale: a scale's map and its fusion.

        Returns (B, 32, H, W), (B, 64, H/2, W/2) and (B, 128, H/4, W/4). H and
        W must be multiples of 4.
        """
        sources = channels_last(torch.cat((ir, vi), 1))
        kind = sources.device.type
        # Where the sources enter and the fused image leaves, autocast rounds nothing, because
        # bfloat16 has steps of a grey level or more: so the image is right within one level.
        # Training forgives noise on what enters.
        with torch.autocast(kind, enabled=False):
            s0 = self.project(sources)
        if self.training:
            s0 = rounded(s0)
        with torch.autocast(kind, enabled=s0.dtype != sources.dtype):
            f0 = torch.cat((s0, self.fuse1(s0)), 1)
        s1 = self.encode2(s0)
        s2 = self.encode3(s1)
        return (
            f0,
            torch.cat((self.fuse2(s1), s1), 1),
            torch.cat((s2, self.fuse3(s2)), 1),
        )

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """The fused image (B, C, H, W) from what `features` returned."""
        f0, f1, f2 = features
        layer, (shuffle, up) = self.decode2
        x = shuffle(layer(torch.cat((self.decode3(f2), f1), 1)))
        x = in_a_row(up, self.decode1[0], x, f0)
        x = self.decode1[1](x)
        with torch.autocast(x.device.type, enabled=False):
            return self.decode1[2:](x.to(self.decode1[2].weight.dtype))

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_multiple(ir, vi, self.multiple)
        return crop(self.decode(self.features(ir, vi)))
