"""What a segmenter is shown, by name: part of its specification."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlib import folders
from fusionlib.data import PairSet
from fusionlib.data.labels import classes_of
from fusionlib.errors import FusionError
from fusionlib.files import digest
from fusionlib.inference import Protocol
from fusionlib.training.any_spec import is_key

if TYPE_CHECKING:
    from fusionlib.training.store import Run

MIXES = "mixes"
# What a segmenter can be shown without a fusing network: a source, or both in some way.
ALONE = ("ir", "vi", "mean", MIXES)


@dataclass(frozen=True)
class LabelledSource:
    """What a segmenter is shown, and the labels; part of its training's spec.

    Args:
        images: "ir", "vi" (in colour), "mean" (of both), "mixes" (both, mixed
            anew at random each time that they are learnt from, see `mixed`;
            their mean when scored), the key of a finished fusion run, or a
            folder of fused images, absolute.
        dataset, split, names: the pairs, by name, in this order.
        fingerprint: of the bytes of sources, labels and the folder's images.
            `labelled_source` fills it in.
        protocol: of a run's images, see `Protocol`.
        step: of a run's snapshots; None takes the last.
        size: (height, width) of rendered scenes; None for files.
    """

    images: str
    dataset: str
    split: str
    names: tuple[str, ...]
    fingerprint: str
    protocol: str = "plain"
    step: int | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self):
        classes_of(self.dataset)
        object.__setattr__(self, "protocol", Protocol.of(self.protocol).name)
        if self.of_folder and not Path(self.images).is_absolute():
            raise FusionError(
                "images of a segmenter's spec is 'ir', 'vi', 'mean', 'mixes', the key of a run or a"
                f" folder, not {self.images!r}: make it by labelled_source."
            )
        if not self.of_run and (self.protocol, self.step) != ("plain", None):
            raise FusionError(
                f"protocol and step choose images of a run: leave them out for {self.images!r}."
            )

    @property
    def of_run(self) -> bool:
        """Whether a fusion run makes the images."""
        return is_key(self.images)

    @property
    def of_folder(self) -> bool:
        """Whether the images lie in a folder of the user's."""
        return not self.of_run and self.images not in ALONE

    @property
    def short_name(self) -> str:
        """What the images are called: as they were named, or the folder's name."""
        return Path(self.images).name


def labelled_source(
    images: "Run | str | Path",
    pairs: PairSet,
    protocol: str | Protocol = "plain",
    step: int | None = None,
) -> LabelledSource:
    """Describe what `images` make of `pairs`, with their labels.

    Args:
        images: "ir", "vi", "mean", "mixes", a fusion run or its key, or a
            folder of fused images, which are found as `folders.match` does. The
            run must be finished when the segmenter is planned, trained or
            scored.
        pairs: of a dataset with labels.
        protocol, step: of a run's images, as `evaluate` takes them.

    Raises FusionError for pairs that no spec can name, such as the user's own
    folders, and for what `folders.match` refuses.
    """
    named = str(getattr(images, "key", images))
    if named not in ALONE and not is_key(named):
        named = str(Path(named).expanduser().resolve())
    size = pairs[0].size if pairs.dataset == "scenes" else None
    fingerprint = fingerprint_of(named, pairs)
    protocol = Protocol.of(protocol).name
    return LabelledSource(
        named, pairs.dataset, pairs.split, pairs.names, fingerprint, protocol, step, size
    )


def fingerprint_of(images: str, pairs: PairSet) -> str:
    """16 hex digits of the bytes of the pairs, their labels and a folder's images."""
    if images in ALONE or is_key(images):
        return pairs.fingerprint
    files = folders.match({images: images}, pairs, progress=False).files[images]
    lines = "".join(f"{name} {digest(file)}\n" for name, file in files.items())
    return hashlib.sha256(f"{pairs.fingerprint}\n{lines}".encode()).hexdigest()[:16]
