"""SwinFusion: attention in windows, within and across modalities (Ma, JAS 2022).

Convolutions make 60 maps of either modality, which Swin blocks refine. Then
blocks within a modality take turns with blocks across, where one modality's
queries meet the other's keys and values. What is joined goes through Swin
blocks once more and becomes the image.

    a, b = extract_i(shallow(ir)), extract_v(shallow(vi))
    twice:  a, b = within_i(a), within_v(b);  a, b = across(a, b)
    maps = conv(a, b)
    fused = convolutions(blocks(maps))
"""

from itertools import product

import torch
from torch import Tensor, nn

from fusionlib.models.attention import attend
from fusionlib.models.layers import (
    channels_last,
    check_channels,
    leaky,
    pad_to_multiple,
    unrounded,
)

WIDTH, HEADS, WINDOW, SHIFT = 60, 6, 8, 4
DROPS = 0.0, 0.1 / 3, 0.2 / 3, 0.1  # of the four blocks of a stage
# What is taken from both sources and given to the fused image, by the number of channels.
MEANS = {1: (0.0,), 3: (0.4488, 0.4371, 0.4040)}


def offsets() -> Tensor:
    """(64, 64): which of 15 x 15 offsets lies between two pixels of a window."""
    row, column = torch.arange(WINDOW**2) // WINDOW, torch.arange(WINDOW**2) % WINDOW
    down, right = (axis[:, None] - axis + WINDOW - 1 for axis in (row, column))
    return down * (2 * WINDOW - 1) + right


def borders() -> Tensor:
    """(4, 1, 64, 64): -inf between pixels that the roll brought together, else 0.

    For windows inside, in the last column, in the last row and in the corner:
    whatever the size of the image, a shifted window is one of these.
    """
    beyond = torch.arange(WINDOW) >= WINDOW - SHIFT
    row, column = beyond.repeat_interleave(WINDOW), beyond.repeat(WINDOW)
    rows, columns = (side[:, None] != side for side in (row, column))
    apart = torch.stack((torch.zeros_like(rows), columns, rows, rows | columns))
    return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)[:, None]


def windows(maps: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H / 8, W / 8, head, 8, 8, C / head), a view."""
    batch, height, width, _ = maps.shape
    shape = batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, HEADS, -1
    return maps.view(shape).permute(0, 1, 3, 5, 2, 4, 6)


def attend_in_windows(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention of windows' pixels: q, k, v as `windows` gives them -> the same.

    bias (head, 64, 64) is added to the scores.
    """
    shape = q.shape
    q, k, v = (part.flatten(4, 5).flatten(0, 2) for part in (q, k, v))  # (n, head, 64, c)
    return attend(q, k, v, bias=bias).reshape(shape)


class WindowAttention(nn.Module):
    """Attention in windows of 8 x 8 pixels: (B, H, W, 60) -> the same.

    H and W are multiples of 8. A score is moved by a learnt bias of the offset
    from one pixel to the other.

    Args:
        shifted: whether the maps were rolled by half a window; then pixels
            that lie at opposite sides of the image don't see each other.

    Source: Swin Transformer (Liu et al. 2021), Eq. 4.
    """

    def __init__(self, shifted: bool):
        super().__init__()
        self.shifted = shifted
        self.query, self.merge = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key_value = nn.Linear(WIDTH, 2 * WIDTH)
        self.table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, HEADS))
        self.register_buffer("offsets", offsets(), persistent=False)
        self.register_buffer("borders", borders(), persistent=False)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Queries are of x, keys and values of `seen`: x itself, or another's maps."""
        keys, values = self.key_value(seen).chunk(2, -1)
        parts = [windows(part) for part in (self.query(x), keys, values)]
        bias = self.table[self.offsets].permute(2, 0, 1)  # (head, 64, 64)
        # Eq. 4
        if self.shifted:
            found = self._by_place(parts, bias + self.borders)
        else:
            found = attend_in_windows(*parts, bias)
        return self.merge(found.permute(0, 1, 4, 2, 5, 3, 6).reshape(x.shape))

    @staticmethod
    def _by_place(parts: list[Tensor], biases: Tensor) -> Tensor:
        """Windows inside, in the last column, in the last row and the corner, apart."""
        most, last = slice(-1), slice(-1, None)
        inner, right, bottom, corner = (
            attend_in_windows(*(part[:, rows, columns] for part in parts), bias)
            for (rows, columns), bias in zip(product((most, last), repeat=2), biases)
        )
        rows = torch.cat((inner, right), 2), torch.cat((bottom, corner), 2)
        return torch.cat(rows, 1)


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): (B, H, W, 60).

    Args:
        index: of the block in its stage, 0 to 3: every second one shifts its
            windows, and later ones leave out more in training: a change is
            left out for a whole image, with the probability `DROPS[index]`,
            and the others' are scaled up (stochastic depth).

    30,810 parameters.
    """

    def __init__(self, index: int):
        super().__init__()
        self.shift, self.drop = SHIFT * (index % 2), DROPS[index]
        self.attention_norm, self.forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = WindowAttention(bool(self.shift))
        self.feed_forward = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def ready(self, x: Tensor) -> Tensor:
        """What queries, keys and values are made of."""
        return self._rolled(self.attention_norm(x), -self.shift)

    def after(self, x: Tensor, own: Tensor, seen: Tensor) -> Tensor:
        """The block's result where `own`, ready maps of x, attend to `seen`."""
        x = x + self._dropped(self._rolled(self.attention(own, seen), self.shift))
        return x + self._dropped(self.feed_forward(self.forward_norm(x)))

    def forward(self, x: Tensor) -> Tensor:
        own = self.ready(x)
        return self.after(x, own, own)

    @staticmethod
    def _rolled(x: Tensor, shift: int) -> Tensor:
        return x.roll((shift, shift), (1, 2)) if shift else x

    def _dropped(self, change: Tensor) -> Tensor:
        if not (self.training and self.drop):
            return change
        # Drawn on the CPU, whose generator is in every checkpoint.
        kept = (torch.rand(len(change)) >= self.drop) / (1 - self.drop)
        return change * kept.to(change)[:, None, None, None]


class Fusion(nn.Module):
    """Two blocks within each modality, then two across: a, b (B, H, W, 60) -> same.

    Args:
        first: index of the first of the two in the fusion stage, 0 or 2.
    """

    def __init__(self, first: int):
        super().__init__()
        within_ir, within_vi, self.across_ir, self.across_vi = (
            nn.ModuleList([SwinBlock(first), SwinBlock(first + 1)]) for _ in range(4)
        )
        self.within_ir, self.within_vi = nn.Sequential(*within_ir), nn.Sequential(*within_vi)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.within_ir(a), self.within_vi(b)
        for one, other in zip(self.across_ir, self.across_vi, strict=True):
            of_a, of_b = one.ready(a), other.ready(b)
            a, b = one.after(a, of_a, of_b), other.after(b, of_b, of_a)
        return a, b


def stage() -> nn.Sequential:
    """Four blocks and a norm: (B, H, W, 60) -> the same."""
    return nn.Sequential(*map(SwinBlock, range(len(DROPS))), nn.LayerNorm(WIDTH))


class SwinFusion(nn.Module):
    """`fused = model(ir, vi)`, SwinFusion; 973,681 parameters, in colour 975,033.

    Args:
        channels: channels of each input and of the output (1 or 3).
        unused: whether to hold the shallow convolutions of the visible
            modality that the released network constructs and never calls:
            8,430 of its parameters, in colour 8,970. They are never trained.

    Shapes: ir, vi (B, C, H, W) in [0, 1], any H and W; fused the same. The
    last layer is linear, so that nothing bounds it; it is near [0, 1] once
    trained, and the released test code clips it. Sizes that are not multiples
    of 8 are padded by reflection and cropped inside; the released test code
    adds a whole window, too, where there is nothing to pad.

    Source: Ma et al., "SwinFusion: Cross-domain long-range learning for
    general image fusion via Swin Transformer", IEEE/CAA JAS 2022; depths and
    widths from the released code, where its configuration file's are ignored.
    SSVIF gives it three channels. Inferred: that all leaky ReLUs have the slope
    0.2; that blocks across drop as those within beside them; and that weights
    begin as Swin's do: normal, of deviation 0.02, cut off, and zero biases.
    """

    multiple = WINDOW
    feature_channels = (WIDTH,)
    # It draws at random in training, and stacked networks have one generator.
    stochastic = True

    def __init__(self, channels: int = 1, unused: bool = True):
        super().__init__()
        self.channels = channels
        half = WIDTH // 2
        self.shallow = nn.Sequential(leaky(channels, half), leaky(half, WIDTH))
        self.embed = nn.LayerNorm(WIDTH)  # one for all stages
        self.extract_ir, self.extract_vi = stage(), stage()
        self.fuse = nn.ModuleList([Fusion(0), Fusion(2)])
        self.norm_ir, self.norm_vi = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.merge = leaky(2 * WIDTH, WIDTH)
        self.rebuild = stage()
        self.decoder = nn.Sequential(
            leaky(WIDTH, half),
            leaky(half, half // 2),
            nn.Conv2d(half // 2, channels, 3, padding=1),
        )
        self.apply(_as_swin_begins)
        if unused:
            self.unused = nn.ModuleList([leaky(channels, half), leaky(half, half)])
        mean = torch.tensor(MEANS[channels])[:, None, None]
        self.register_buffer("mean", mean, persistent=False)
        # Convolutions read all channels of a pixel at once.
        self.to(memory_format=torch.channels_last)

    def features(self, ir: Tensor, vi: Tensor) -> Tensor:
        """The joined maps (B, 60, H, W); H and W are multiples of 8."""
        check_channels(ir, vi, self.channels)
        both = self.shallow(channels_last(torch.cat((ir, vi)) - self.mean))
        a, b = self._embedded(both).chunk(2)
        a, b = self.embed(self.extract_ir(a)), self.embed(self.extract_vi(b))
        for fuse in self.fuse:
            a, b = fuse(a, b)
        return self.merge(_maps(torch.cat((self.norm_ir(a), self.norm_vi(b)), -1)))

    def decode(self, features: Tensor) -> Tensor:
        """The fused image (B, C, H, W) of the joined maps."""
        x = _maps(self.rebuild(self._embedded(features)))
        x, last = self.decoder[:-1](x), self.decoder[-1]
        # bfloat16 has steps of a grey level or more, so autocast rounds nothing here.
        with unrounded(x):
            return last(x.to(last.weight.dtype)) + self.mean

    def forward(self, ir: Tensor, vi: Tensor) -> Tensor:
        ir, vi, crop = pad_to_multiple(ir, vi, self.multiple)
        return crop(self.decode(self.features(ir, vi)))

    def _embedded(self, maps: Tensor) -> Tensor:
        """What a stage begins with, (B, H, W, 60).

        Blocks add up their changes in float32 even under autocast, as CUDA's
        does of itself: that costs no time and halves the error.
        """
        return self.embed(maps.permute(0, 2, 3, 1).to(self.embed.weight.dtype))


def _maps(pixels: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, C, H, W)."""
    return pixels.permute(0, 3, 1, 2)


def _as_swin_begins(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.table, std=0.02)
