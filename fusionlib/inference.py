"""Fuse image pairs of any size under a protocol: a tiling and a range."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError

TILE, STRIDE, BLUR_SIGMA = 128, 64, 0.3  # the released tiling
TILINGS, RANGES, PRECISIONS = ("whole", "released"), ("clip", "stretch"), ("float32", "bfloat16")


def _check(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise FusionError(f"{what} must be {' or '.join(allowed)}, not {value!r}.")


@dataclass(frozen=True)
class Protocol:
    """How a model's output becomes the 8-bit image that is scored.

    Args:
        tiling: "whole" shows the model the whole image; "released" is what
            Beyond Strict Pairing's released test code does (see `tiled`).
        range: "clip" cuts values off at 0 and 1; "stretch" maps each image's
            minimum to 0 and its maximum to 255. Both round half up.

    Raises FusionError for any other value.
    """

    tiling: str = "whole"
    range: str = "clip"

    def __post_init__(self):
        _check("tiling", self.tiling, TILINGS)
        _check("range", self.range, RANGES)

    @property
    def name(self) -> str:
        """The preset's name, else "tiling+range" such as "whole+stretch"."""
        names = {preset: name for name, preset in PROTOCOLS.items()}
        return names.get(self, f"{self.tiling}+{self.range}")

    @classmethod
    def of(cls, name: "str | Protocol") -> "Protocol":
        """The protocol of that name, a preset or "tiling+range".

        Raises FusionError for an unknown name.
        """
        if isinstance(name, Protocol):
            return name
        if name in PROTOCOLS:
            return PROTOCOLS[name]
        tiling, plus, value_range = str(name).partition("+")
        if not plus:
            raise FusionError(
                f"There is no protocol {name!r}; take {', '.join(PROTOCOLS)} or tiling+range "
                f"with tiling {' or '.join(TILINGS)} and range {' or '.join(RANGES)}."
            )
        return cls(tiling, value_range)


PROTOCOLS = {"plain": Protocol("whole", "clip"), "released": Protocol("released", "stretch")}
protocol = Protocol.of


def fuse(
    model: nn.Module,
    ir: Tensor,
    vi: Tensor,
    protocol: "str | Protocol" = "plain",
    precision: str = "float32",
    batch: int = 4,
) -> Tensor:
    """The fused images on the levels of an 8-bit file.

    Args: see `fuse_tensor`; `protocol` is a `Protocol` or its name.

    Returns (B, C, H, W) float32 on the model's device, each value k / 255
    with a whole k. A constant image becomes 0 under "stretch".

    Raises FusionError for an unknown protocol or precision, for images of
    different shapes, and for a model whose output is not finite.
    """
    chosen = Protocol.of(protocol)
    fused = fuse_tensor(model, ir, vi, chosen.tiling, precision, batch)
    if not fused.isfinite().all():
        raise FusionError("The model's output holds NaN or infinity: use weights of a sound run.")
    return to_levels(fused, chosen.range)


def to_levels(fused: Tensor, range: str = "clip") -> Tensor:
    """Round to k / 255, half up, after clipping or stretching each image.

    Args:
        fused: (B, C, H, W), any values.
        range: "clip" or "stretch", see `Protocol`.

    Returns the same shape in [0, 1]; a constant image becomes 0 under
    "stretch", because its range is empty.
    """
    _check("range", range, RANGES)
    if range == "stretch":
        low = fused.amin((1, 2, 3), keepdim=True)
        span = fused.amax((1, 2, 3), keepdim=True) - low
        fused = (fused - low) / torch.where(span > 0, span, 1)
    return (fused.clamp(0, 1) * 255 + 0.5).floor() / 255


def fuse_tensor(
    model: nn.Module,
    ir: Tensor,
    vi: Tensor,
    tiling: str = "whole",
    precision: str = "float32",
    batch: int = 4,
) -> Tensor:
    """The model's own fused values, before any clipping or rounding.

    Args:
        model: `fused = model(ir, vi)`; put in evaluation mode for the call.
        ir, vi: (B, C, H, W) in [0, 1], any H and W; moved to the model's
            device.
        tiling: "whole" or "released", see `Protocol`.
        precision: "float32", or "bfloat16" by autocast.
        batch: images, or tiles, that the model sees at once: it bounds the
            memory and changes no result beyond rounding.

    Returns (B, C, H, W) float32 on the model's device.
    """
    _check("tiling", tiling, TILINGS)
    _check("precision", precision, PRECISIONS)
    if ir.ndim != 4 or ir.shape != vi.shape:
        raise FusionError(
            f"ir and vi must both be (B, C, H, W) of one shape, not {tuple(ir.shape)} and "
            f"{tuple(vi.shape)}: resize or crop one of them."
        )
    weights = next(model.parameters(), None)
    device = ir.device if weights is None else weights.device
    ir, vi = ir.to(device), vi.to(device)
    # Each module's own flag is restored: some may be frozen inside a model in training.
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            if tiling == "released":
                return tiled(model, ir, vi, batch)
            parts = zip(ir.split(batch), vi.split(batch), strict=True)
            return torch.cat([model(*part).float() for part in parts])
    finally:
        for module in training:
            module.training = True


def tiled(model: nn.Module, ir: Tensor, vi: Tensor, batch: int = 4) -> Tensor:
    """Fuse overlapping tiles, average them, and blur the result slightly.

    Tiles of 128 x 128 lie at multiples of 64; a last row and a last column
    are flush with the border, and count twice where they also lie at a
    multiple of 64, as the authors' stored images show. Where tiles overlap,
    their mean is weighted by exp(-(x^2 + y^2) / 2) with x and y from -3 to 3
    across the tile. The blur has sigma 0.3. An image smaller than a tile,
    which the released code does not take, is continued by its mirror image
    and cropped afterwards.

    Args and result: as `fuse_tensor`, on one device.

    Source: the released test code of Beyond Strict Pairing.
    """
    height, width = ir.shape[-2:]
    ir, vi = _mirror_to_tile(ir), _mirror_to_tile(vi)
    rows, columns = _starts(ir.shape[-2]), _starts(ir.shape[-1])
    line = torch.exp(-(torch.linspace(-3, 3, TILE, device=ir.device) ** 2) / 2)
    weight = line[:, None] * line
    places = [(i, y, x) for i in range(len(ir)) for y in rows for x in columns]
    merged = torch.zeros(ir.shape, device=ir.device)
    for group in (places[k : k + batch] for k in range(0, len(places), batch)):
        windows = [(i, slice(y, y + TILE), slice(x, x + TILE)) for i, y, x in group]
        tiles = model(*(torch.stack([im[i, :, y, x] for i, y, x in windows]) for im in (ir, vi)))
        for (i, y, x), tile in zip(windows, tiles.float(), strict=True):
            merged[i, :, y, x] += rows[y.start] * columns[x.start] * weight * tile
    # The weight is a product of a row's and a column's, and so is the sum of all tiles' weights.
    for starts, shape in ((rows, (-1, 1)), (columns, (1, -1))):
        total = torch.zeros(max(starts) + TILE, device=ir.device)
        for start, times in starts.items():
            total[start : start + TILE] += times * line
        merged /= total.view(shape)
    return _blur(merged[..., :height, :width])


def _starts(length: int) -> Counter[int]:
    """Where tiles begin along one axis, and how often each is counted."""
    return Counter([*range(0, length - TILE + 1, STRIDE), length - TILE])


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
