"""The images that a segmenter is shown: a source, the mean of both, or fused ones.

Fused images are what a file would hold, 8 bits, as in SSVIF's evaluation. To
make them takes long where the network is large: those of a run are kept in
its folder, as PNG files that say which bytes they were made from.
"""

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from fusionlib import folders, images
from fusionlib.data import Pair, PairSet
from fusionlib.inference import fuse_in_colour, to_levels
from fusionlib.training.labelled_source import MIXES, LabelledSource
from fusionlib.training.store import Run, finished_run

# Raise it when a protocol or a model changes its values.
FUSED_VERSION = 1


def shown(
    source: LabelledSource, pairs: PairSet, device: torch.device | str = "cpu"
) -> Callable[[Pair], Tensor]:
    """A function from a pair to what a segmenter of this source is shown of it.

    Args:
        source: of a segmenter's spec.
        pairs: any, also others than the source names, such as a test set.
        device: where a run's network fuses.

    The image is (1 or 3, H, W) float32 in [0, 1], of the pair's size, on
    8-bit levels: "ir" grey, all else in colour, a run's by
    `inference.fuse_in_colour`.

    Raises FusionError as `finished_run` and `folders.match`.
    """
    if source.of_run:
        return _Fused(finished_run(source.images, "fusion"), source, pairs, device)
    if source.images == "ir":
        return lambda pair: pair.ir
    if source.images == "vi":
        return lambda pair: pair.vi_rgb
    if source.images in ("mean", MIXES):
        return lambda pair: to_levels((pair.ir + pair.vi_rgb)[None] / 2)[0]
    files = folders.match({"": source.images}, pairs, progress=False).files[""]
    return lambda pair: images.read_colour(files[pair.name])


class _Fused:
    """pair -> its fused image, made once."""

    def __init__(self, run: Run, source: LabelledSource, pairs: PairSet, device):
        self.run, self.protocol, self.device = run, source.protocol, device
        self.step = run.spec.total_steps if source.step is None else source.step
        made = f"{self.step}_{self.protocol}_{pairs.dataset}_{pairs.split}"
        self.folder: Path = run.folder / "fused" / made

    @cached_property
    def model(self) -> nn.Module:
        return self.run.model(self.step).to(self.device)

    def __call__(self, pair: Pair) -> Tensor:
        file = self.folder / f"{pair.name}.png"
        note = f"{FUSED_VERSION} {hashlib.sha256(pair.digest.encode()).hexdigest()[:16]}"
        if images.note_of(file) == note:
            return images.to_unit(images.read_levels(file))
        sources, channels = (pair.ir[None], pair.vi_rgb[None]), self.run.spec.channels
        fused = fuse_in_colour(self.model, *sources, channels, self.protocol)[0].cpu()
        images.write(file, fused, note)
        return fused
