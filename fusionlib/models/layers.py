"""What models share: padding to a size that they take, and convolutions in a row."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError


def pad_to_multiple(
    ir: Tensor, vi: Tensor, multiple: int
) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """Pad both images below and to the right, and say how to crop the result.

    Args:
        ir, vi: (B, C, H, W).
        multiple: H and W become the next multiples of it. The border is
            mirrored; where the image is smaller than the padding, repeated.

    Returns: padded ir, padded vi, and a function that crops (B, C, H', W')
    back to (B, C, H, W).
    """
    height, width = ir.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return ir, vi, lambda fused: fused
    mode = "reflect" if bottom < height and right < width else "replicate"
    pad = (0, right, 0, bottom)
    return F.pad(ir, pad, mode), F.pad(vi, pad, mode), lambda fused: fused[..., :height, :width]


def check_channels(ir: Tensor, vi: Tensor, channels: int) -> None:
    """Raise FusionError unless both images (B, C, H, W) have so many channels."""
    if not ir.shape[1] == vi.shape[1] == channels:
        remedy = "repeat grey ones three times" if channels == 3 else "take their luma"
        raise FusionError(
            f"This network takes images with channels={channels}, not {ir.shape[1]} (infrared) and"
            f" {vi.shape[1]} (visible): {remedy}, or create it with others."
        )


def pad_to_two(ir: Tensor, vi: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """As `pad_to_multiple`, for layers that take any size but a single pixel.

    A 3x3 convolution that mirrors the border has nothing to mirror in one row.
    """
    return pad_to_multiple(ir, vi, 2 if min(ir.shape[-2:]) < 2 else 1)


def mirrored(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution that sees the image mirrored at its border."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, padding_mode="reflect", bias=bias)


def leaky(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution and a leaky ReLU of slope 0.2."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.2, inplace=True))


class GroupNorm(nn.GroupNorm):
    """PyTorch's own, also for stacked networks (vmap), which its checks refuse."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        shape = batch, channels, height * width, self.num_groups
        return torch.native_group_norm(x, self.weight, self.bias, *shape, self.eps)[0]


def to_pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C), a view of a channels-last tensor."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(pixels: Tensor, like: Tensor) -> Tensor:
    """(B, H W, C) -> (B, C, H, W), with the height and width of `like`."""
    return pixels.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)


def in_a_row(first: nn.Conv2d, second: nn.Conv2d, x: Tensor, beside: Tensor) -> Tensor:
    """second(cat(first(x), beside)) of a padded 3x3 and a 3x3 or 1x1 convolution.

    Nothing non-linear stands between them, so on x they are one convolution
    whose kernel is the convolution of theirs. For 32 -> 64 -> 32 channels its
    5x5 kernel takes 25,600 products a pixel instead of 36,864 (before a 1x1
    convolution 9,216 instead of 20,480), and the 64 channels between are never
    made. Only on the border does a 5x5 kernel see too much: what `first` gives
    one pixel outside the image, where `second` sees zeros. That is computed
    for the border alone and taken away, so this is an identity.

    Args:
        x: (B, C, H, W), enters `first`.
        beside: (B, D, H, W), the last D input channels of `second`; autocast
            does not round them.

    Returns (B, E, H, W) in the dtype of `beside`.
    """
    kind = x.device.type
    kernel, other = second.weight.split((first.out_channels, beside.shape[1]), 1)
    (reach, _) = second.padding  # 1 of a 3x3 kernel, 0 of a 1x1 one
    if min(x.shape[2:]) < 2:
        y = F.conv2d(first(x), kernel, padding=reach)
    else:
        with torch.autocast(kind, enabled=False):
            merged = F.conv_transpose2d(kernel, first.weight)
            constant = kernel.sum((2, 3)) @ first.bias
        y = F.conv2d(x, channels_last(merged), constant, padding=1 + reach)
        if reach:
            y = _without_border(y, x, first, kernel)
    with torch.autocast(kind, enabled=beside.dtype != second.weight.dtype):
        return F.conv2d(beside, channels_last(other), second.bias, padding=reach).add_(y)


def _without_border(y: Tensor, x: Tensor, first: nn.Conv2d, kernel: Tensor) -> Tensor:
    """y less what the merged kernel sees of `first` outside the image.

    One pixel outside, only one row or column of `first` meets the image, and
    only one of `kernel` meets that pixel. The corners belong to the rows.
    """

    def seen(line: Tensor, of_first: Tensor, of_kernel: Tensor, corners: int) -> Tensor:
        outside = F.conv1d(line, of_first, first.bias, padding=1 + corners)
        return F.conv1d(outside, of_kernel, padding=1 - corners)

    height, width = x.shape[2:]
    across, down = (torch.arange(n, device=x.device) for n in (width, height))
    sides = (across, across + (height - 1) * width, down * width, down * width + width - 1)
    places = torch.cat(sides)
    # All four lines in one: each slice of a map has a gradient as large as the map.
    lines = to_pixels(x).index_select(1, places).mT.split([len(side) for side in sides], 2)
    weight = first.weight
    outside = (
        seen(lines[0], weight[:, :, 2], kernel[:, :, 0], 1),
        seen(lines[1], weight[:, :, 0], kernel[:, :, 2], 1),
        seen(lines[2], weight[..., 2], kernel[..., 0], 0),
        seen(lines[3], weight[..., 0], kernel[..., 2], 0),
    )
    return to_map(to_pixels(y).index_add(1, places, torch.cat(outside, 2).mT, alpha=-1), y)


def channels_last(x: Tensor) -> Tensor:
    """The same values, with all channels of a pixel side by side in memory."""
    # `contiguous(memory_format=...)` is not there for stacked networks (vmap).
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def rounded(x: Tensor) -> Tensor:
    """x in the dtype that autocast computes in; x itself without autocast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def unrounded(x: Tensor) -> AbstractContextManager:
    """A context where autocast rounds nothing on x's device."""
    # Tensors of shapes alone know no autocast.
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
