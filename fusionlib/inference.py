"""Fuse image pairs of any size under a protocol: a tiling and a range."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fusionlib import images
from fusionlib.errors import FusionError
from fusionlib.tiling import LEAST_SIDE, faded, tiled

TILINGS, RANGES, PRECISIONS = ("whole", "released"), ("clip", "stretch"), ("float32", "bfloat16")


def _check(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise FusionError(f"{what} must be {' or '.join(allowed)}, not {value!r}.")


def _check_tiling(tiling: str) -> None:
    if tiling.isascii() and tiling.isdecimal() and not tiling.startswith("0"):
        if int(tiling) < LEAST_SIDE:
            raise FusionError(f"tiles have {LEAST_SIDE} pixels a side or more, not {tiling}.")
    elif tiling not in TILINGS:
        raise FusionError(
            f"tiling must be {' or '.join(TILINGS)} or the side of a tile in pixels, not"
            f" {tiling!r}."
        )


@dataclass(frozen=True)
class Protocol:
    """How a model's output becomes the 8-bit image that is scored.

    Args:
        tiling: "whole" shows the model the whole image; "released" is what
            Beyond Strict Pairing's released test code does (see
            `tiling.tiled`); a number such as "512" is the side of tiles that
            fade into each other (see `tiling.faded`), in pixels, 32 or more.
        range: "clip" cuts values off at 0 and 1; "stretch" maps each image's
            minimum to 0 and its maximum to 255. Both round half up.

    Raises FusionError for any other value.
    """

    tiling: str = "whole"
    range: str = "clip"

    def __post_init__(self):
        object.__setattr__(self, "tiling", str(self.tiling))  # 512 and "512" are one tiling
        _check_tiling(self.tiling)
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
                f"with tiling {', '.join(TILINGS)} or a tile's side and range"
                f" {' or '.join(RANGES)}."
            )
        return cls(tiling, value_range)


PROTOCOLS = {"plain": Protocol("whole", "clip"), "released": Protocol("released", "stretch")}


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


def fuse_in_colour(
    model: nn.Module,
    ir: Tensor,
    vi: Tensor,
    channels: int = 1,
    protocol: "str | Protocol" = "plain",
    precision: str = "float32",
) -> Tensor:
    """Fused images in colour, on the levels of an 8-bit file.

    Args:
        model, protocol, precision: as `fuse`.
        ir: (B, 1, H, W) in [0, 1].
        vi: RGB (B, 3, H, W) in [0, 1].
        channels: of the network. One of 3 sees the visible image in colour
            and the infrared one three times; one of 1 sees and makes grey
            images, which then take the visible image's Cb and Cr.

    Returns RGB (B, 3, H, W) float32 on the model's device, each value k / 255.

    Raises FusionError as `fuse` does.
    """
    if channels == 3:
        return fuse(model, ir.expand(-1, 3, -1, -1), vi, protocol, precision)
    return coloured(fuse(model, ir, images.grey_of(vi), protocol, precision), vi)


def coloured(fused: Tensor, vi: Tensor) -> Tensor:
    """Grey fused images (B, 1, H, W) with Cb and Cr of the visible ones (B, 3, H, W).

    Returns RGB (B, 3, H, W) on the levels of an 8-bit file, on fused's device.
    """
    ycbcr = images.rgb_to_ycbcr(vi.to(fused.device))
    ycbcr[:, 0] = fused[:, 0]
    return to_levels(images.ycbcr_to_rgb(ycbcr))


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
        tiling: "whole", "released" or a tile's side, see `Protocol`.
        precision: "float32", or "bfloat16" by autocast.
        batch: images, or tiles, that the model sees at once: it bounds the
            memory and changes no result beyond rounding.

    Returns (B, C, H, W) float32 on the model's device.
    """
    _check_tiling(tiling)
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
            if tiling != "whole":
                return faded(model, ir, vi, int(tiling), batch)
            parts = zip(ir.split(batch), vi.split(batch), strict=True)
            return torch.cat([model(*part).float() for part in parts])
    finally:
        for module in training:
            module.training = True
