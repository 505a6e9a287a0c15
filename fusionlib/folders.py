"""Which fused image belongs to which pair, settled before scoring."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from fusionlib import images
from fusionlib.data import PairSet
from fusionlib.data.pairs import FilePair
from fusionlib.errors import FusionError, listed
from fusionlib.progress import progress as progress_bar


@dataclass(frozen=True)
class Matched:
    """The pairs that are scored, and where each method's fused images lie.

    pairs: all pairs or, of `match(common=True)`, those that every folder has.
    files: method -> name of the pair -> file.
    passed_over: method -> names of its images that belong to no pair.
    smallest: name, height and width of the pair with the shortest side.
    grey: a fused or visible image without colour; None where all have it.
    """

    pairs: PairSet
    files: dict[str, dict[str, Path]]
    passed_over: dict[str, list[str]]
    smallest: tuple[str, int, int]
    grey: str | None


def methods(folders: Sequence[str | Path]) -> dict[str, Path]:
    """Name each folder by the last parts of its path, as few as tell all apart.

    Raises FusionError for a folder that is named twice.
    """
    parts = [Path(os.path.abspath(folder)).parts for folder in folders]
    for folder, part in zip(folders, parts, strict=True):
        if parts.count(part) > 1:
            raise FusionError(f"The folder {folder} is named twice: name each method once.")
    depth = next(n for n in count(1) if len({part[-n:] for part in parts}) == len(parts))
    names = ["/".join(part[-depth:]) for part in parts]
    return dict(zip(names, map(Path, folders), strict=True))


def match(
    folders: Mapping[str, str | Path], pairs: PairSet, common: bool = False, progress: bool = True
) -> Matched:
    """Find each pair's fused image in each folder, by its name without suffix.

    Where no file of a folder has a pair's name, names may stand within other
    text (001_fused.png, MSRS_001.png): the text that goes with the most names
    is passed over, unless two go with equally many. Of the images only the
    headers are read.

    Args:
        folders: method -> folder.
        pairs: what was fused.
        common: keep the pairs that have a fused image in every folder, instead
            of refusing a folder that lacks some.
        progress: show a bar.

    Raises FusionError for no folder, one that is missing or lacks images
    (unless `common`), two files of one name, and images of different sizes.
    """
    if not folders:
        raise FusionError("There is no folder to score: name a method and its fused images.")
    found = {method: _files(Path(folder)) for method, folder in folders.items()}
    files = {method: _named(stems, pairs.names) for method, stems in found.items()}
    passed_over = {}
    for method, named in files.items():
        used = {path for paths in named.values() for path in paths}
        extra = [stem for stem, paths in found[method].items() if used.isdisjoint(paths)]
        missing = [name for name in pairs.names if name not in named]
        if missing and not common:
            raise FusionError(_lacks(folders[method], missing, extra))
        if extra:
            passed_over[method] = extra
    shared = [name for name in pairs.names if all(name in named for named in files.values())]
    if not shared:
        raise FusionError(
            f"No pair has a fused image in each of {', '.join(map(str, folders.values()))}: "
            f"name them as the pairs' images are, such as {pairs.names[0]}.png."
        )
    pairs = pairs.select(shared)
    for method, named in files.items():
        for name in shared:
            if len(named[name]) > 1:
                twice = " and ".join(path.name for path in named[name])
                raise FusionError(f"{folders[method]} holds {twice}: remove all but one.")
    files = {m: {name: named[name][0] for name in shared} for m, named in files.items()}
    smallest, grey = _check_shapes(pairs, files, progress)
    return Matched(pairs, files, passed_over, smallest, grey)


def _files(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise FusionError(f"There is no folder {folder}: name one that holds fused images.")
    stems = images.files_by_name(folder)
    if not stems:
        raise FusionError(f"There is no image in {folder}: name a folder that holds fused images.")
    return stems


def _named(stems: dict[str, list[Path]], names: Sequence[str]) -> dict[str, list[Path]]:
    named = {name: stems[name] for name in names if name in stems}
    if named:
        return named
    around = _around(stems, set(names)).most_common(2)
    counts = [count for _, count in around]
    if not counts or counts.count(counts[0]) > 1:
        return {}  # of two, such as 001_ir and 001_fused, nobody knows which is meant
    before, after = around[0][0]
    whole = {name: f"{before}{name}{after}" for name in names}
    return {name: stems[stem] for name, stem in whole.items() if stem in stems}


def _around(stems: Iterable[str], names: set[str]) -> Counter:
    """The texts before and after a name -> how many names stand between them."""
    return Counter(
        (stem[:start], stem[end:])
        for stem in stems
        for start in range(len(stem))
        for end in range(start + 1, len(stem) + 1)
        if stem[start:end] in names
    )


def _lacks(folder: str | Path, missing: list[str], extra: list[str]) -> str:
    text = f"{folder} lacks {len(missing):,} of the pairs' images ({listed(missing)})"
    if extra:
        text += f" and has {len(extra):,} that belong to no pair ({listed(extra)})"
    return (
        f"{text}: name each as its pair is, or score only what all folders have "
        "(--common, common=True)."
    )


def _check_shapes(pairs: PairSet, files: dict, progress: bool) -> tuple:
    smallest, grey = None, None
    for pair in progress_bar(pairs, "check sizes", quiet=not progress):
        channels, *size = _shape(pair)
        if smallest is None or min(size) < min(smallest[1:]):
            smallest = (pair.name, *size)
        if channels == 1:
            grey = grey or str(getattr(pair, "vi_path", pair.name))
        for named in files.values():
            path = named[pair.name]
            channels, *found = images.shape_of(path)
            if found != size:
                raise FusionError(
                    f"{path} is {_size(*found)} but its sources are {_size(*size)} "
                    "(width x height): fuse at the sources' size."
                )
            if channels == 1:
                grey = grey or str(path)
    return smallest, grey


def _shape(pair) -> tuple[int, ...]:
    """Channels of the visible image, height and width, without decoding a file."""
    if isinstance(pair, FilePair):
        images.check_same_size(pair.ir_path, pair.vi_path)
        return images.shape_of(pair.vi_path)
    return 3, *(pair.size if hasattr(pair, "size") else pair.ir.shape[-2:])


def _size(height: int, width: int) -> str:
    return f"{width}x{height}"
