"""The base: the patches that training may use, on the device as uint8.

The papers' base is 150 patches of 128 x 128, cut without overlap from ten
images of 480 x 640. A smaller stride cuts more patches from the same images.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from fusionlib import images
from fusionlib.data.datasets import open_pairs
from fusionlib.data.pairs import PairSet
from fusionlib.errors import FusionError


def cut(image: Tensor, patch: int = 128, stride: int = 128) -> Tensor:
    """Patches (n, patch, patch) of an image (H, W), row by row.

    What is left over at the right and the lower border is not used.
    """
    return image.unfold(0, patch, stride).unfold(1, patch, stride).reshape(-1, patch, patch)


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


def patch_source(
    pairs: PairSet, modality: str, patch: int = 128, stride: int = 128, first: int | None = None
) -> PatchSource:
    """Describe the patches that `pairs` give in one modality, "ir" or "vi"."""
    if modality not in ("ir", "vi"):
        raise FusionError(f"The parameter modality is 'ir' or 'vi', not {modality!r}.")
    if patch < 1 or stride < 1:
        raise FusionError(f"patch and stride are 1 or more, not {patch} and {stride}.")
    size = pairs[0].size if pairs.dataset == "scenes" else None
    fingerprint = _fingerprint(pairs, modality, pairs.fingerprint)
    return PatchSource(
        modality, pairs.dataset, pairs.split, pairs.names, fingerprint, patch, stride, first, size
    )


def _levels(pairs: PairSet, modality: str) -> tuple[list[Tensor], str]:
    # Grey levels (H, W) uint8 of every image, and their fingerprint.
    levels, digest = [], hashlib.sha256()
    for pair in pairs:
        grey = images.to_uint8(getattr(pair, modality))[0]
        digest.update(f"{pair.name} {grey.shape}".encode() + grey.tobytes())
        levels.append(torch.from_numpy(grey))
    return levels, digest.hexdigest()[:16]


@lru_cache(maxsize=64)
def _fingerprint(pairs: PairSet, modality: str, files: str) -> str:
    # `files`, the fingerprint of the files, is there for the cache: a changed file is read anew.
    return _levels(pairs, modality)[1]


@dataclass(frozen=True)
class Base:
    """Patches of both modalities: ir (N, P, P) and vi (M, P, P), uint8."""

    ir: Tensor
    vi: Tensor

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs index (B, 2) as ir and vi, float32 (B, 1, P, P) in [0, 1]."""
        return tuple(
            patches[rows][:, None].float() / 255
            for patches, rows in ((self.ir, index[:, 0]), (self.vi, index[:, 1]))
        )

    def to(self, device: torch.device | str) -> "Base":
        """The same base on another device."""
        return Base(self.ir.to(device), self.vi.to(device))


def patch_count(source: PatchSource, data: str | Path | None = None) -> int:
    """How many patches a source gives, without cutting them."""
    pairs = open_pairs(source.dataset, source.split, data, source.images, source.size)
    count = 0
    for pair in pairs:
        rows, columns = (
            max(0, (side - source.patch) // source.stride + 1)
            for side in getattr(pair, source.modality).shape[-2:]
        )
        count += rows * columns
    return count if source.first is None else min(count, source.first)


def load_base(ir: PatchSource, vi: PatchSource, data: str | Path | None = None) -> Base:
    """Read the images of two sources and cut them.

    Raises FusionError where the images differ from those that the sources
    were made from, are smaller than a patch, or give fewer patches than asked.
    """
    return Base(_load(ir, data), _load(vi, data))


def _load(source: PatchSource, data: str | Path | None) -> Tensor:
    pairs = open_pairs(source.dataset, source.split, data, source.images, source.size)
    where = f"{source.dataset} {source.split} ({source.modality})"
    levels, fingerprint = _levels(pairs, source.modality)
    if fingerprint != source.fingerprint:
        raise FusionError(
            f"The images of {where} are not those that the spec was made from (fingerprint"
            f" {fingerprint}, expected {source.fingerprint}): make the spec anew."
        )
    for name, grey in zip(source.images, levels, strict=True):
        if min(grey.shape) < source.patch:
            raise FusionError(
                f"{name} of {where} is {grey.shape[0]}x{grey.shape[1]}, smaller than a patch of"
                f" {source.patch}: leave the image out or take smaller patches."
            )
    patches = torch.cat([cut(grey, source.patch, source.stride) for grey in levels])
    if source.first and source.first > len(patches):
        raise FusionError(f"{where} gives {len(patches)} patches, fewer than first={source.first}.")
    return patches[: source.first].contiguous()
