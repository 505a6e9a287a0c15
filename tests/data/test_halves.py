"""Halves of a test set: no neighbours across, every class and hour on both sides."""

from dataclasses import dataclass

import pytest
import torch

from fusionlib.data import PairSet, open_pairs
from fusionlib.data.halves import halves
from fusionlib.data.labels import labels_of
from fusionlib.errors import FusionError


@dataclass(frozen=True)
class Toy:
    """A pair of which labels alone are asked."""

    name: str
    labels: torch.Tensor

    @property
    def digest(self):
        return self.name


def toys(classes, dataset="MSRS"):
    """Pairs of one class each, {name: class}."""
    pairs = [Toy(name, torch.full((2, 2), number)) for name, number in classes.items()]
    return PairSet(dataset, "test", tuple(pairs))


def drive(first, frames, hour="D", step=8):
    return [f"{first + step * k:05d}{hour}" for k in range(frames)]


def number(name):
    return int(name.rstrip("DN"))


def test_a_drive_is_cut_in_the_middle_and_neighbours_of_the_cut_are_left_out():
    names = drive(0, 10)  # 0, 8, ..., 72, cut at 36
    first, second = halves(toys(dict.fromkeys(names, 0)))
    assert [number(name) for name in first] == [0, 8, 16, 24]
    assert [number(name) for name in second] == [48, 56, 64, 72]


def test_a_long_drive_is_cut_into_four():
    first, second = halves(toys(dict.fromkeys(drive(0, 32), 0)))  # cut at 60, 124 and 188
    assert [number(name) for name in first] == [*range(0, 50, 8), *range(136, 178, 8)]
    assert [number(name) for name in second] == [*range(72, 114, 8), *range(200, 250, 8)]


def test_hours_and_wide_gaps_end_a_drive():
    # Day and night in one range of numbers, and a second day drive from 500 on.
    names = drive(0, 4) + drive(4, 4, "N") + drive(500, 4)
    first, second = halves(toys(dict.fromkeys(names, 0)))
    for half in (first, second):
        assert sorted(name[-1] for name in half) == ["D", "D", "N"]
    assert first == sorted(first, key=number)


def test_classes_are_shared_evenly():
    # Both drives begin with cars and end with people: one of them is turned round.
    names = drive(0, 8) + drive(500, 8)
    classes = dict(zip(names, [1] * 4 + [2] * 4 + [1] * 4 + [2] * 4, strict=True))
    first, second = halves(toys(classes))
    for half in (first, second):
        assert sorted(classes[name] for name in half) == [1, 1, 1, 2, 2, 2]
    assert [number(name) for name in first] == [0, 8, 16, 540, 548, 556]


def test_the_order_of_the_pairs_does_not_matter():
    names = drive(0, 8) + drive(2, 8, "N")
    classes = {name: k % 9 for k, name in enumerate(names)}
    assert halves(toys(classes)) == halves(toys(dict(reversed(classes.items()))))


def test_rendered_scenes_are_all_used():
    pairs = open_pairs("scenes", "test", names=[f"{i:04d}{'DN'[i % 2]}" for i in range(8)],
                       size=(48, 64))  # fmt: skip
    first, second = halves(pairs)
    assert sorted(first + second) == sorted(pairs.names)
    assert {name[-1] for name in first} == {name[-1] for name in second} == {"D", "N"}
    assert len(first) == len(second) == 4


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["street_1"], "The name 'street_1' does not say where"),
        (["00004N"], "1 pairs of MSRS are too few for two halves"),
        (drive(0, 2), "2 pairs of MSRS are too few"),
    ],
)
def test_what_cannot_be_halved_is_refused(names, message):
    with pytest.raises(FusionError, match=message):
        halves(toys(dict.fromkeys(names, 0)))


def test_real_halves(data_root):
    pairs = open_pairs("MSRS", "test")
    first, second = halves(pairs)
    assert halves(pairs.select(pairs.names[::-1])) == (first, second)
    assert not set(first) & set(second)
    assert min(len(first), len(second)) > 0.43 * len(pairs)
    for name in first:
        near = [n for n in second if n[-1] == name[-1] and abs(number(n) - number(name)) < 20]
        assert near == []
    counts = []
    for half in (first, second):
        hours = [name[-1] for name in half]
        assert 0.4 < hours.count("D") / len(hours) < 0.6
        labels = [labels_of(pair, "MSRS").flatten() for pair in pairs.select(half)]
        counts.append(sum(torch.bincount(one, minlength=9) for one in labels))
    share = counts[0] / (counts[0] + counts[1])
    assert share.min() > 0.3
    assert share.max() < 0.7
