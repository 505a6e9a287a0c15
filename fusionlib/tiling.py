"""Fuse an image in overlapping tiles and merge them: as released, or of any side."""

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TILE, STRIDE, BLUR_SIGMA = 128, 64, 0.3  # the released tiling
LEAST_SIDE, LEAST_OVERLAP = 32, 16  # of tiles whose side is chosen


def tiled(model: nn.Module, ir: Tensor, vi: Tensor, batch: int = 4) -> Tensor:
    """Fuse overlapping tiles, average them, and blur the result slightly.

    Tiles of 128 x 128 lie at multiples of 64; a last row and a last column
    are flush with the border, and count twice where they also lie at a
    multiple of 64, as the authors' stored images show. Where tiles overlap,
    their mean is weighted by exp(-(x^2 + y^2) / 2) with x and y from -3 to 3
    across the tile. The blur has sigma 0.3. An image smaller than a tile,
    which the released code does not take, is continued by its mirror image
    and cropped afterwards.

    Args:
        model: `fused = model(ir, vi)`, in evaluation mode.
        ir, vi: (B, C, H, W) on the model's device, any H and W.
        batch: tiles that the model sees at once.

    Returns (B, C, H, W) float32.

    Source: the released test code of Beyond Strict Pairing.
    """
    height, width = ir.shape[-2:]
    ir, vi = _mirror_to_tile(ir), _mirror_to_tile(vi)
    places = [Counter([*range(0, n - TILE + 1, STRIDE), n - TILE]) for n in ir.shape[-2:]]
    line = torch.exp(-(torch.linspace(-3, 3, TILE, device=ir.device) ** 2) / 2)
    merged = _merge(model, ir, vi, places, [line, line], batch)
    return _blur(merged[..., :height, :width])


def faded(model: nn.Module, ir: Tensor, vi: Tensor, side: int, batch: int = 4) -> Tensor:
    """Fuse tiles of `side` pixels that fade into each other.

    Neighbours share an eighth of the side, 16 pixels or more, where the
    weight goes over from one to the other in a straight line; the last row
    and column are flush with the border. It bounds the memory for images of
    any size. A network that looks at a whole image, as the channel attention
    of the BSP baselines does, looks at a tile here, so the result differs
    slightly from that of the whole image.

    Args: as `tiled`; side: 32 or more. An image smaller than a tile in one
        direction is a tile's size there.

    Returns (B, C, H, W) float32.
    """
    overlap = max(LEAST_OVERLAP, side // 8)
    places, lines = [], []
    for length in ir.shape[-2:]:
        here = min(side, length)
        places.append(Counter({*range(0, length - here, side - overlap), length - here}))
        step = torch.arange(here, device=ir.device) + 0.5
        lines.append((torch.minimum(step, here - step) / overlap).clamp(max=1))
    return _merge(model, ir, vi, places, lines, batch)


def _merge(
    model: nn.Module,
    ir: Tensor,
    vi: Tensor,
    places: list[Counter[int]],
    lines: list[Tensor],
    batch: int,
) -> Tensor:
    """The weighted mean of all tiles.

    Args:
        places: where tiles begin along each axis, and how often each counts.
        lines: a tile's weights along each axis; its sizes are their lengths.
    """
    rows, columns = places
    weight = lines[0][:, None] * lines[1]
    merged = torch.zeros(ir.shape, device=ir.device)
    windows = (
        (i, slice(y, y + len(lines[0])), slice(x, x + len(lines[1])))
        for i in range(len(ir))
        for y in sorted(rows)
        for x in sorted(columns)
    )
    for group in _grouped(windows, batch):
        tiles = model(*(torch.stack([im[i, :, y, x] for i, y, x in group]) for im in (ir, vi)))
        for (i, y, x), tile in zip(group, tiles.float(), strict=True):
            merged[i, :, y, x] += rows[y.start] * columns[x.start] * weight * tile
    # A weight is a product of a row's and a column's, and so is the sum of all tiles' weights.
    for starts, line, shape in zip(places, lines, ((-1, 1), (1, -1)), strict=True):
        total = torch.zeros(max(starts) + len(line), device=ir.device)
        for start, times in starts.items():
            total[start : start + len(line)] += times * line
        merged /= total.view(shape)
    return merged


def _grouped(items: Iterable, size: int):
    group = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _mirror_to_tile(image: Tensor) -> Tensor:
    # Mirrored as often as it takes: PyTorch's own padding stops at one image size.
    for axis in (-2, -1):
        length = image.shape[axis]
        if length < TILE:
            index = torch.arange(TILE, device=image.device) % (2 * length)
            image = image.index_select(axis, torch.minimum(index, 2 * length - 1 - index))
    return image


def _blur(image: Tensor) -> Tensor:
    """SciPy's gaussian_filter with its defaults: 3 x 3 at this sigma."""
    side = torch.exp(torch.tensor(-0.5 / BLUR_SIGMA**2))
    line = torch.stack((side, torch.ones(()), side)).to(image.device) / (1 + 2 * side)
    kernel = (line[:, None] * line).expand(image.shape[1], 1, 3, 3)
    with torch.autocast(image.device.type, enabled=False):
        return F.conv2d(F.pad(image, (1, 1, 1, 1), "replicate"), kernel, groups=image.shape[1])
