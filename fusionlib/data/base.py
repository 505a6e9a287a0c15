"""The base: the patches that training may use, on the device as uint8.

The papers' base is 150 patches of 128 x 128, cut without overlap from ten
images of 480 x 640. A smaller stride cuts more patches from the same images.
"""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from fusionlib import images
from fusionlib.data.datasets import OWN, open_images, open_pairs
from fusionlib.data.pairs import PairSet
from fusionlib.errors import FusionError


def cut(image: Tensor, patch: int = 128, stride: int = 128) -> Tensor:
    """Patches (n, patch, patch) of an image (H, W), row by row.

    Of one in colour, (3, H, W), they are (n, 3, patch, patch). What is left
    over at the right and the lower border is not used.
    """
    # ([3], rows, columns, patch, patch)
    patches = image.unfold(-2, patch, stride).unfold(-2, patch, stride)
    return patches.movedim((-4, -3), (0, 1)).flatten(0, 1)


def grid(height: int, width: int, patch: int, stride: int) -> tuple[int, int]:
    """Rows and columns of the patches that `cut` makes of an image."""
    return tuple(max(0, (side - patch) // stride + 1) for side in (height, width))


@dataclass(frozen=True)
class PatchSource:
    """Where the patches of one modality come from; part of a training's spec.

    Args:
        modality: "ir" or "vi".
        dataset, split, images: the images by name, in this order.
        fingerprint: of the images' grey levels, so that a spec also fixes
            the bytes behind the names. `patch_source` fills it in.
        patch, stride: side of a patch and distance between two, in pixels.
        first: keep only so many patches; None keeps all.
        size: (height, width) of rendered scenes; None for files.
        colour: visible patches in colour; infrared ones have none.
        more: a further source of the same modality and patch, whose patches
            follow these; `joined` names it.
        folder: where images of the user's own lie, absolute; None for those
            of a dataset. It says where, not what, so that neither the key of a
            run nor equality depends on it.
    """

    modality: str
    dataset: str
    split: str
    images: tuple[str, ...]
    fingerprint: str
    patch: int = 128
    stride: int = 128
    first: int | None = None
    size: tuple[int, int] | None = None
    colour: bool = False
    more: "PatchSource | None" = None
    folder: str | None = field(default=None, compare=False)

    @property
    def parts(self) -> tuple["PatchSource", ...]:
        """This source and those that follow it, in order."""
        return (self, *(self.more.parts if self.more else ()))

    @property
    def where(self) -> str:
        """The data sets of all parts, for captions: "MSRS and RoadScene"."""
        return " and ".join(dict.fromkeys(part.dataset for part in self.parts))

    @property
    def alone(self) -> tuple["PatchSource", ...]:
        """The same, each a source of its own."""
        return tuple(dataclasses.replace(part, more=None) for part in self.parts)


def patch_source(
    pairs: PairSet,
    modality: str,
    patch: int = 128,
    stride: int = 128,
    first: int | None = None,
    colour: bool = False,
) -> PatchSource:
    """Describe the patches that `pairs` give in one modality, "ir" or "vi".

    `pairs` are of a dataset, or of the user's own, as `open_folders` opens
    pairs and `open_images` images that have no partners.

    Raises FusionError for an unknown modality, a wrong cut, and colour of
    infrared patches.
    """
    if modality not in ("ir", "vi"):
        raise FusionError(f"The parameter modality is 'ir' or 'vi', not {modality!r}.")
    if colour and modality == "ir":
        raise FusionError("Infrared patches have no colour: leave colour out for 'ir'.")
    if patch < 1 or stride < 1:
        raise FusionError(f"patch and stride are 1 or more, not {patch} and {stride}.")
    size = pairs[0].size if pairs.dataset == "scenes" else None
    fingerprint = _fingerprint(pairs, modality, colour, pairs.fingerprint)
    names = modality, pairs.dataset, pairs.split, pairs.names
    cutting = patch, stride, first, size, colour
    return PatchSource(*names, fingerprint, *cutting, folder=_folder(pairs, modality))


def _folder(pairs: PairSet, modality: str) -> str | None:
    """Where the user's own images lie."""
    if pairs.dataset not in OWN:
        return None
    return str(getattr(pairs[0], f"{modality}_path").parent.resolve())


def joined(*sources: PatchSource) -> PatchSource:
    """Several sources as one: the patches of the first, then those of the next.

    Raises FusionError where modality, patch or colour of two differ.
    """
    parts = [part for source in sources for part in source.parts]
    kinds = {(part.modality, part.patch, part.colour) for part in parts}
    if len(kinds) > 1:
        told = " and ".join(f"{m!r} of {patch}, colour={c}" for m, patch, c in sorted(kinds))
        raise FusionError(f"Joined sources need one modality, patch and colour, not {told}.")
    chain = None
    for part in reversed(parts):
        chain = dataclasses.replace(part, more=chain)
    return chain


def _levels(pairs: PairSet, modality: str, colour: bool) -> tuple[list[Tensor], str]:
    # Levels ([3], H, W) uint8 of every image, and their fingerprint.
    levels, digest = [], hashlib.sha256()
    for pair in pairs:
        image = images.to_uint8(pair.vi_rgb if colour else getattr(pair, modality))
        image = image if colour else image[0]
        digest.update(f"{pair.name} {image.shape}".encode() + image.tobytes())
        levels.append(torch.from_numpy(image))
    return levels, digest.hexdigest()[:16]


@lru_cache(maxsize=64)
def _fingerprint(pairs: PairSet, modality: str, colour: bool, files: str) -> str:
    # `files`, the fingerprint of the files, is there for the cache: a changed file is read anew.
    return _levels(pairs, modality, colour)[1]


@dataclass(frozen=True)
class Base:
    """Patches of both modalities: ir (N, P, P) and vi (M, P, P), uint8.

    Visible patches in colour are (M, 3, P, P).
    """

    ir: Tensor
    vi: Tensor

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs index (B, 2) as ir and vi, float32 (B, C, P, P) in [0, 1].

        C is 1, or 3 where the visible patches have colour: the infrared ones
        are then repeated in each channel.
        """
        ir, vi = self.ir[index[:, 0]][:, None], self.vi[index[:, 1]]
        if vi.ndim == 3:
            vi = vi[:, None]
        return ir.float().div(255).expand(-1, vi.shape[1], -1, -1), vi.float() / 255

    def to(self, device: torch.device | str) -> "Base":
        """The same base on another device."""
        return Base(self.ir.to(device), self.vi.to(device))


def patch_count(source: PatchSource, data: str | Path | None = None) -> int:
    """How many patches a source gives, without cutting them."""
    total = 0
    for part in source.parts:
        pairs = _open(part, data)
        count = 0
        for pair in pairs:
            size = getattr(pair, part.modality).shape[-2:]
            rows, columns = grid(*size, part.patch, part.stride)
            count += rows * columns
        total += count if part.first is None else min(count, part.first)
    return total


def load_base(ir: PatchSource, vi: PatchSource, data: str | Path | None = None) -> Base:
    """Read the images of two sources and cut them.

    Raises FusionError where the images differ from those that the sources
    were made from, are smaller than a patch, or give fewer patches than asked.
    """
    return Base(*(torch.cat([_load(part, data) for part in source.parts]) for source in (ir, vi)))


def _open(source: PatchSource, data: str | Path | None) -> PairSet:
    """The pairs that hold a source's images."""
    if source.folder:
        return open_images(source.folder).select(source.images)
    return open_pairs(source.dataset, source.split, data, source.images, source.size)


def _load(source: PatchSource, data: str | Path | None) -> Tensor:
    pairs = _open(source, data)
    where = f"{source.folder or f'{source.dataset} {source.split}'} ({source.modality})"
    levels, fingerprint = _levels(pairs, source.modality, source.colour)
    if fingerprint != source.fingerprint:
        raise FusionError(
            f"The images of {where} are not those that the spec was made from (fingerprint"
            f" {fingerprint}, expected {source.fingerprint}): make the spec anew."
        )
    for name, image in zip(source.images, levels, strict=True):
        height, width = image.shape[-2:]
        if min(height, width) < source.patch:
            raise FusionError(
                f"{name} of {where} is {height}x{width}, smaller than a patch of"
                f" {source.patch}: leave the image out or take smaller patches."
            )
    patches = torch.cat([cut(image, source.patch, source.stride) for image in levels])
    if source.first and source.first > len(patches):
        raise FusionError(f"{where} gives {len(patches)} patches, fewer than first={source.first}.")
    return patches[: source.first].contiguous()
