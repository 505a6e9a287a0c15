"""The discriminator of the GAN baseline of Beyond Strict Pairing (Figure 8c).

Two of them exist, D_s for the infrared image and D_d for the visible one, and
only while a GAN trains: they tell a source from the fused image.

Where one 3x3 convolution follows another with nothing between, the many maps
that stand between them are never made. With u the 3x3 neighbourhood of a
pixel, a first layer W1 u + b1 and a second layer of taps W2[t],

    out(p) = sum_t W2[t] (W1 u(p + t) + b1) = sum_t z_t(p + t),
    z_t = (W2[t] W1) u + W2[t] b1

so nine maps z_t for each output channel do, whatever the width between. It is
an identity also at the border, where z_t is 0 outside as the maps are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError

HEADS, TAPS = 8, 9


def chained(x: Tensor, first: nn.Conv2d, second: nn.Conv2d) -> Tensor:
    """second(first(x)) of two padded 3x3 convolutions, (B, C, H, W)."""
    taps = opposite(second.weight)  # (out, between, 9)
    matrix = torch.einsum("obt,bi->oti", taps, first.weight.flatten(1)).flatten(0, 1)
    offset = torch.einsum("obt,b->ot", taps, first.bias).view(-1, 1)
    around = F.unfold(x, 3, padding=1)  # (B, 9 C, H W)
    z = torch.baddbmm(offset, matrix.expand(len(x), -1, -1), around)
    return shift_and_add(z, second.bias, x.shape[2:])


def shift_and_add(z: Tensor, bias: Tensor, size: tuple[int, int]) -> Tensor:
    """out_c(p) = sum_t z_ct(p - t) + bias_c: (B, 9 C, H W) -> (B, C, H, W)."""
    return F.fold(z, size, 3, padding=1) + bias[:, None, None]


def opposite(weight: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 9), each tap in the place of its opposite.

    The second layer takes z_t(p + t), but `fold` gives z_t(p - t).
    """
    return weight.flatten(-2).flip(-1)


class CriticAttention(nn.Module):
    """Attention of three channels to each other, with 3x3 grouped layers.

    As published, a grouped layer makes a query, a key and a value copy of
    each channel for each of 8 heads: 72 filtered maps. Each copy is linear in
    the channel's 3x3 neighbourhoods, so scores and norms follow from the Gram
    matrix of these and a map of ones (28 x 28), and the merged output from
    nine maps a channel, as in `chained`.

    Shapes: (B, 3, H, W) -> the same.
    """

    def __init__(self, channels: int = 3):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(1, HEADS, 1, 1))
        self.copies = nn.Conv2d(channels, 3 * HEADS * channels, 3, padding=1, groups=channels)
        self.merge = nn.Conv2d(HEADS * channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        around = F.unfold(x, 3, padding=1)  # (B, 9 C, H W)
        ones = torch.ones_like(around[:, :1])
        # Kept apart from `around`, because joining them would copy it.
        gram = torch.cat((around @ around.mT, around.sum(-1, keepdim=True)), 2)
        last = torch.cat((around.sum(-1), ones.sum(-1)), 1)[:, None]
        gram = torch.cat((gram, last), 1)[:, None]  # (B, 1, 9 C + 1, 9 C + 1)
        query, key, value = self.rows(channels)
        q_norm, k_norm = (
            ((rows @ gram) * rows).sum(-1, keepdim=True).clamp_min(1e-24).sqrt()
            for rows in (query, key)
        )
        scores = (query / q_norm) @ gram @ (key / k_norm).mT
        attention = (scores * self.temperature).softmax(-1)  # (B, head, C, C)
        taps = opposite(self.merge.weight).view(channels, HEADS, TAPS)
        matrix = torch.einsum("cht,bhcu->bctu", taps, attention @ value).flatten(1, 2)
        z = torch.baddbmm(matrix[..., -1:], matrix[..., :-1], around)
        return shift_and_add(z, self.merge.bias, x.shape[2:])

    def rows(self, channels: int) -> Tensor:
        """Queries, keys and values as rows over the neighbourhoods and the ones.

        Returns (3, head, C, 9 C + 1).
        """
        kernel = self.copies.weight.view(channels, 3, HEADS, TAPS)
        own = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        kernel = torch.einsum("cjht,cd->jhcdt", kernel, own).flatten(3)
        bias = self.copies.bias.view(channels, 3, HEADS).permute(1, 2, 0)
        return torch.cat((kernel, bias[..., None]), -1)


class BSPDiscriminator(nn.Module):
    """One number in (-1, 1) an image: high for what looks like a source.

    Args:
        patch: side of the square images. The layer norms and the last layer
            have a weight for every pixel, so another side needs another
            discriminator.

    Shapes: (B, 1, P, P) -> (B,). At P = 128 it has 350,183 parameters, as the
    released class.

    Source: Beyond Strict Pairing, supplement 7.1.2 and Figure 8c. Inferred:
    the feed-forward part of the middle layer (`refine`), from the number of
    parameters alone.
    """

    def __init__(self, patch: int = 128):
        super().__init__()
        self.patch = patch
        shape = (3, patch, patch)
        self.stem1, self.stem2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 1, 3, padding=1)
        self.stem = nn.Sequential(
            nn.BatchNorm2d(1), nn.LeakyReLU(0.05), nn.Conv2d(1, 3, 3, padding=1)
        )
        self.attend = nn.Sequential(nn.LayerNorm(shape), CriticAttention())
        self.refine = nn.Sequential(
            nn.LayerNorm(shape), nn.Conv2d(3, 18, 3, padding=1), nn.GELU(), nn.Conv2d(18, 3, 1)
        )
        self.widen1, self.widen2 = nn.Conv2d(3, 72, 3, padding=1), nn.Conv2d(72, 3, 3, padding=1)
        pixels = 3 * patch * patch
        self.judge = nn.Sequential(
            nn.BatchNorm2d(3), nn.Flatten(), nn.LayerNorm(pixels), nn.Linear(pixels, 1), nn.Tanh()
        )

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[1:] != (1, self.patch, self.patch):
            raise FusionError(
                f"This discriminator takes (B, 1, {self.patch}, {self.patch}), not "
                f"{tuple(image.shape)}: make one with patch={image.shape[-1]}."
            )
        x = self.stem(chained(image, self.stem1, self.stem2))
        x = x + self.attend(x)
        x = x + self.refine(x)
        return self.judge(chained(x, self.widen1, self.widen2)).squeeze(1)
