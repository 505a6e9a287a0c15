"""Labelled images of one size on the device, from which a segmenter learns."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib import images
from fusionlib.data import Pair, open_pairs
from fusionlib.data.labels import labels_of
from fusionlib.errors import FusionError
from fusionlib.progress import progress
from fusionlib.training.labelled_source import MIXES, fingerprint_of
from fusionlib.training.segmenter_spec import HELD_OUT, SegmenterSpec
from fusionlib.training.shown import shown


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, C, H, W) and class numbers (N, H, W), both uint8.

    C is 1 or 3; of "mixes" 4, the infrared image and the visible one.
    """

    images: Tensor
    labels: Tensor

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Those of index (B, 2), whose columns are equal.

        Images float32 (B, C, H, W) in [0, 1], labels int64 (B, H, W).
        """
        rows = index[:, 0]
        return self.images[rows].float() / 255, self.labels[rows].long()

    def to(self, device: torch.device | str) -> "LabelledImages":
        """The same on another device."""
        return LabelledImages(self.images.to(device), self.labels.to(device))


def scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (C, H, W) at another size, bilinear, averaged where it shrinks."""
    if image.shape[1:] == size:
        return image
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]


def _both(pair: Pair) -> Tensor:
    return torch.cat((pair.ir, pair.vi_rgb))


def load_labelled(
    spec: SegmenterSpec, data: str | Path | None, device: str, quiet: bool
) -> LabelledImages:
    """Read, or fuse, the images of a spec and bring them to its size.

    Images are rounded to 8 bits again. Those that are held out come last.

    Raises FusionError where images or labels differ from those that the
    source was made from, for labels that are no classes, and as `shown`.
    """
    source = spec.source
    pairs = open_pairs(source.dataset, source.split, data, source.names, source.size)
    fingerprint = fingerprint_of(source.images, pairs)
    if fingerprint != source.fingerprint:
        raise FusionError(
            f"The images or labels of {source.dataset} {source.split}, or those in"
            f" {source.images}, are not those that the spec was made from (fingerprint"
            f" {fingerprint}, expected {source.fingerprint}): make the spec anew."
        )
    show, order = shown(source, pairs, device), range(len(pairs))
    if source.images == MIXES:
        show = _both
    if spec.held_out:
        order = sorted(order, key=lambda place: place % HELD_OUT == HELD_OUT - 1)
    all_images, all_labels = [], []
    for place in progress(order, f"images of {source.short_name}", quiet=quiet):
        image = scaled(show(pairs[place]), spec.size)
        labels = labels_of(pairs[place], source.dataset)
        labels = F.interpolate(labels[None, None].to(torch.uint8), spec.size, mode="nearest-exact")
        all_images.append(torch.from_numpy(images.to_uint8(image)))
        all_labels.append(labels[0, 0])
    return LabelledImages(torch.stack(all_images), torch.stack(all_labels))
