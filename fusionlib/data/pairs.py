"""Pairs of infrared and visible images, from files or rendered, and sets."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from torch import Tensor

from fusionlib import images
from fusionlib.errors import FusionError
from fusionlib.progress import progress


class Pair(Protocol):
    """One infrared and one visible image of the same size."""

    name: str

    @property
    def ir(self) -> Tensor:
        """Infrared: float32 (1, H, W) in [0, 1]."""

    @property
    def vi(self) -> Tensor:
        """Visible as grey: float32 (1, H, W) in [0, 1]."""

    @property
    def vi_rgb(self) -> Tensor:
        """Visible in colour: float32 (3, H, W) in [0, 1]."""

    @property
    def labels(self) -> Tensor | None:
        """Class numbers: int64 (H, W), or None where there are none."""

    @property
    def digest(self) -> str:
        """What identifies the contents, in hex digits."""


@cache
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    # Size and time are there for the cache: a changed file is read anew.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class FilePair:
    """A pair of files; each access reads anew, so that a set needs no memory.

    Raises FusionError on access if the sizes differ or a file is damaged.
    """

    name: str
    ir_path: Path
    vi_path: Path
    labels_path: Path | None = None

    @property
    def ir(self) -> Tensor:
        images.check_same_size(self.ir_path, self.vi_path)
        return images.read_grey(self.ir_path)

    @property
    def vi(self) -> Tensor:
        images.check_same_size(self.ir_path, self.vi_path)
        return images.read_grey(self.vi_path)

    @property
    def vi_rgb(self) -> Tensor:
        images.check_same_size(self.ir_path, self.vi_path)
        return images.read_colour(self.vi_path)

    @property
    def labels(self) -> Tensor | None:
        if self.labels_path is None:
            return None
        images.check_same_size(self.ir_path, self.labels_path)
        return images.read_labels(self.labels_path)

    @property
    def files(self) -> tuple[Path, ...]:
        """Infrared, visible and, where there is one, the class map."""
        return tuple(path for path in (self.ir_path, self.vi_path, self.labels_path) if path)

    @property
    def digest(self) -> str:
        return " ".join(
            _file_digest(path, path.stat().st_size, path.stat().st_mtime_ns) for path in self.files
        )


@lru_cache(maxsize=4096)  # every row of a table opens its images anew
def _check(ir_path: Path, vi_path: Path, digest: str) -> None:
    images.read_pair(ir_path, vi_path)


@lru_cache(maxsize=16)  # each training opens its pairs anew
def _rendered(seed: int, night: bool, size: tuple[int, int]):
    from fusionlib.data import scenes

    return scenes.render(seed, night, *size)


@dataclass(frozen=True)
class ScenePair:
    """A rendered pair: drawn at the first access and kept, on 8-bit levels.

    The levels make a scene equal to what its own image files would give.
    """

    name: str
    seed: int
    night: bool
    size: tuple[int, int]  # height, width

    @cached_property
    def _scene(self):
        return _rendered(self.seed, self.night, self.size)

    @cached_property
    def ir(self) -> Tensor:
        return images.quantise(self._scene.ir)

    @cached_property
    def vi_rgb(self) -> Tensor:
        return images.quantise(self._scene.vi_rgb)

    @cached_property
    def vi(self) -> Tensor:
        return images.grey_of(self.vi_rgb)

    @property
    def labels(self) -> Tensor:
        return self._scene.labels

    @property
    def digest(self) -> str:
        from fusionlib.data import scenes

        return f"{scenes.SCENES_VERSION} {self.seed} {self.night} {self.size}"


@dataclass(frozen=True)
class PairSet(Sequence):
    """Named pairs of a split: a sequence of `Pair` in the order of `names`."""

    dataset: str
    split: str
    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images: file names without suffix."""
        return tuple(pair.name for pair in self.pairs)

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the SHA-256 of the names and of all files' bytes.

        It does not depend on where the files lie.
        """
        lines = "".join(f"{pair.name} {pair.digest}\n" for pair in self.pairs)
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def verify(self) -> "PairSet":
        """Read every image file once, so that a bad one is found before long work.

        Returns the set. Raises FusionError for the first file that is damaged
        or whose partner has another size.
        """
        for pair in progress(self, f"read {self.dataset} {self.split}"):
            if isinstance(pair, FilePair):
                _check(pair.ir_path, pair.vi_path, pair.digest)
        return self

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """Write the images as PNG files, visible in colour, into two folders.

        Returns folder/ir and folder/vi: rendered scenes, or a few pairs of a
        set, for whoever takes folders.
        """
        ir_folder, vi_folder = (Path(folder) / modality for modality in ("ir", "vi"))
        for pair in self.pairs:
            images.write(ir_folder / f"{pair.name}.png", pair.ir)
            images.write(vi_folder / f"{pair.name}.png", pair.vi_rgb)
        return ir_folder, vi_folder

    def select(self, names: Sequence[str]) -> "PairSet":
        """The pairs of these names, in this order; FusionError if unknown."""
        known = {pair.name: pair for pair in self.pairs}
        for name in names:
            if name not in known:
                raise FusionError(
                    f"{self.dataset} {self.split} has no image named {name!r}: "
                    f"names are file names without suffix, such as {self.pairs[0].name!r}."
                )
        return PairSet(self.dataset, self.split, tuple(known[name] for name in names))


def match_files(
    ir_folder: Path, vi_folder: Path, labels_folder: Path | None = None
) -> tuple[list[FilePair], list[str]]:
    """Pair the image files of two folders by their names without suffix.

    Args:
        ir_folder, vi_folder: folders of infrared and of visible images.
        labels_folder: folder of class maps; ignored if it does not exist.

    Returns:
        The pairs in name order, and one sentence a problem found: a missing or
        ambiguous partner, missing labels, an empty folder.
    """
    problems: list[str] = []
    ir, vi = by_stem(ir_folder, problems), by_stem(vi_folder, problems)
    for found, others, folder in ((ir, vi, vi_folder), (vi, ir, ir_folder)):
        problems += [
            f"{found[stem]} has no partner in {folder}: add {stem}.* there or remove the file."
            for stem in found
            if stem not in others
        ]
    labels: dict[str, Path] = {}
    both = sorted(ir.keys() & vi.keys())
    if labels_folder and labels_folder.is_dir():
        labels = by_stem(labels_folder, problems)
        problems += [
            f"{ir[stem]} has no labels in {labels_folder}: add {stem}.png there, "
            "or remove that folder to work without labels."
            for stem in both
            if stem not in labels
        ]
    return [FilePair(stem, ir[stem], vi[stem], labels.get(stem)) for stem in both], problems


def by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    files = images.files_by_name(folder)
    for first, *others in files.values():
        for path in others:
            problems.append(f"{first} and {path.name} have one name: remove one of them.")
    if not files:
        problems.append(f"There is no image in {folder}: put the files there.")
    return {name: first for name, (first, *_) in files.items()}
