"""A labelled test set in two halves, to train segmenters on one and score on the other."""

import re
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from fusionlib.data.labels import classes_of, labels_of
from fusionlib.data.pairs import Pair, PairSet
from fusionlib.errors import FusionError

# MSRS's numbers count along a drive: frames 8 apart often show one place, 20 apart they seldom do.
APART = 20
DRIVE = 100  # so many numbers without a frame end a drive
LONG = 32  # frames of a drive that is cut into four parts, not two


def halves(pairs: PairSet) -> tuple[list[str], list[str]]:
    """Two lists of names, for training and for scoring, without neighbours.

    MSRS's images come from drives, where neighbouring numbers show one
    street: a segmenter that learnt one of them would know the other. So the
    set is cut along the drives. A drive is the frames of one hour, D or N in
    the name, whose numbers follow each other with gaps below 100. It is cut
    into four parts of as many frames (two, where it has fewer than 32),
    which go to the halves in turn. Frames nearer than 10 numbers to a cut
    are in neither half, so that any two of a drive in different halves are 20
    numbers apart or more. (A street that a drive comes back to may still be in
    both.) Which half a drive begins with is chosen so that the pixels of each
    class are shared as evenly as can be; the first drive begins with the
    first half. Both halves thus hold day and night. Rendered scenes are drawn
    one by one: of them none is left out.

    Args:
        pairs: with labels; a name is a number and, where it says the hour, D
            or N, such as "00004N".

    Returns names in the order of their numbers.

    Raises FusionError for other names, pairs too few to cut, and as
    `labels_of`.
    """
    apart = 0 if pairs.dataset == "scenes" else APART
    drives = [_shared_out(drive, apart) for drive in _drives(pairs)]
    counts = [torch.stack([_pixels(part, pairs.dataset) for part in drive]) for drive in drives]
    total = sum(counts).sum(0).clamp_min(1)
    best, order = float("inf"), ()
    for later in product((0, 1), repeat=len(drives) - 1):
        sides = (0, *later)
        first = sum(of_parts[side] for of_parts, side in zip(counts, sides, strict=True))
        uneven = (first / total - 0.5).abs().sum().item()
        if uneven < best:
            best, order = uneven, sides
    found = tuple(
        sorted(
            (p.name for drive, side in zip(drives, order) for p in drive[side ^ half]), key=_number
        )
        for half in (0, 1)
    )
    if not all(found):
        raise FusionError(
            f"{len(pairs)} pairs of {pairs.dataset} are too few for two halves: take more."
        )
    return found


def _number(name: str) -> int:
    return int(name.rstrip("DN"))


def _drives(pairs: PairSet) -> list[list[Pair]]:
    """The pairs by drive, in the order of their first numbers."""
    by_hour: dict[str, list[Pair]] = {}
    for pair in pairs:
        if not re.fullmatch(r"\d+[DN]?", pair.name):
            raise FusionError(
                f"The name {pair.name!r} does not say where the image was taken: names are a"
                " number, and D or N for the hour."
            )
        by_hour.setdefault(pair.name.lstrip("0123456789"), []).append(pair)
    drives: list[list[Pair]] = []
    for frames in by_hour.values():
        last = None
        for pair in sorted(frames, key=lambda pair: _number(pair.name)):
            if last is None or _number(pair.name) - last >= DRIVE:
                drives.append([])
            drives[-1].append(pair)
            last = _number(pair.name)
    return sorted(drives, key=lambda drive: _number(drive[0].name))


def _shared_out(drive: Sequence[Pair], apart: int) -> tuple[list[Pair], list[Pair]]:
    """What each half gets of a drive, the one that it begins with first."""
    parts = 4 if len(drive) >= LONG else 2
    starts = [len(drive) * part // parts for part in range(parts + 1)]
    numbers = [_number(pair.name) for pair in drive]
    cuts = [(numbers[place - 1] + numbers[place]) / 2 for place in starts[1:-1] if place]
    shares: tuple[list[Pair], list[Pair]] = ([], [])
    for part in range(parts):
        for place in range(starts[part], starts[part + 1]):
            if all(abs(numbers[place] - cut) >= apart / 2 for cut in cuts):
                shares[part % 2].append(drive[place])
    return shares


def _pixels(part: Sequence[Pair], dataset: str) -> Tensor:
    """How many pixels each class has."""
    classes = len(classes_of(dataset))
    found = torch.zeros(classes, dtype=torch.float64)
    for pair in part:
        found += torch.bincount(labels_of(pair, dataset).flatten(), minlength=classes)
    return found
