"""Classes by name and number, and labels that are no classes."""

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib.data import open_pairs
from fusionlib.data.labels import CLASSES, classes_of, labels_of
from fusionlib.errors import FusionError


@pytest.fixture
def root(tmp_path):
    """MSRS and FMB of one pair of 6 x 8; labels are written by the tests."""
    rng = np.random.default_rng(0)
    for part in ("MSRS/test/ir", "MSRS/test/vi", "FMB/test/Infrared", "FMB/test/Visible"):
        (tmp_path / part).mkdir(parents=True)
        image = Image.fromarray(rng.integers(0, 256, (6, 8), np.uint8))
        image.save(tmp_path / part / "00001D.png")
    return tmp_path


def label(root, values, dataset="MSRS", size=(6, 8)):
    """A label file of the values in turn, and its pair."""
    folder = root / dataset / "test" / ("Segmentation_labels" if dataset == "MSRS" else "Label")
    folder.mkdir(exist_ok=True)
    image = Image.fromarray(np.resize(np.uint8(values), size))
    image.save(folder / "00001D.png")
    return open_pairs(dataset, data=root)[0]


def test_numbers_of_the_classes():
    # What the papers print: "Back.", "Car", "Per.", ... (SSVIF, Table I), in the files' numbers.
    assert [classes_of("MSRS").index(name) for name in ("unlabelled", "car", "bump")] == [0, 1, 8]
    named = ("unlabelled", "road", "traffic lamp", "person", "car", "bus", "pole")
    assert [classes_of("FMB").index(name) for name in named] == [0, 1, 4, 8, 9, 11, 14]
    assert {name: len(classes) for name, classes in CLASSES.items()} == {
        "MSRS": 9, "FMB": 15, "scenes": 9
    }  # fmt: skip
    assert all(len(set(classes)) == len(classes) for classes in CLASSES.values())


@pytest.mark.parametrize(("dataset", "values"), [("MSRS", range(9)), ("FMB", range(15))])
def test_all_classes_are_admitted(root, dataset, values):
    labels = labels_of(label(root, values, dataset), dataset)
    assert labels.unique().tolist() == list(values)
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(("dataset", "wrong"), [("MSRS", 9), ("MSRS", 255), ("FMB", 15)])
def test_a_number_that_is_no_class_is_named(root, dataset, wrong):
    message = rf"00001D\.png holds class {wrong}, .* of {dataset} go from 0 \(unlabelled\) to "
    with pytest.raises(FusionError, match=message):
        labels_of(label(root, [0, wrong], dataset), dataset)


def test_labels_of_another_size_are_named(root):
    with pytest.raises(FusionError, match=r"one size, but .*labels.00001D\.png is 8x5"):
        labels_of(label(root, [0], size=(5, 8)), "MSRS")


def test_no_labels_and_no_classes_are_said(root):
    pair = open_pairs("MSRS", data=root)[0]
    with pytest.raises(FusionError, match="00001D of MSRS has no labels: get"):
        labels_of(pair, "MSRS")
    with pytest.raises(FusionError, match=r"RoadScene has no labelled classes: .* MSRS, FMB"):
        labels_of(pair, "RoadScene")


def test_labels_of_a_scene():
    pair = open_pairs("scenes", names=["0001N"], size=(48, 64))[0]
    assert torch.equal(labels_of(pair, "scenes"), pair.labels)


def test_real_labels(data_root):
    pairs = open_pairs("MSRS", "test")
    found = torch.zeros(9, dtype=torch.int64)
    for pair in pairs:
        found += torch.bincount(labels_of(pair, "MSRS").flatten(), minlength=9)
    # Nine of ten pixels are nobody's, and the guardrail is the rarest class.
    assert found[0] > 0.9 * found.sum()
    assert found.argsort(descending=True)[[0, 1, 2, -1]].tolist() == [0, 1, 2, 6]
