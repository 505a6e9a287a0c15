"""Opening datasets in their published layouts, and what is said when that fails."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib.data import open_folders, open_pairs
from fusionlib.data.datasets import DATASETS
from fusionlib.errors import FusionError

RNG = np.random.default_rng(0)


def save(path, *shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 9, shape, dtype=np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """An MSRS of three test pairs whose suffixes differ."""
    for name, suffix in (("00003N", "png"), ("00001D", "bmp"), ("00002D", "jpg")):
        save(tmp_path / f"MSRS/test/ir/{name}.png", 6, 8)
        save(tmp_path / f"MSRS/test/vi/{name}.{suffix}", 6, 8, 3)
        save(tmp_path / f"MSRS/test/Segmentation_labels/{name}.png", 6, 8)
    (tmp_path / "MSRS/test/ir/Thumbs.db").write_text("no image, ignored")
    return tmp_path


def test_pairs_are_in_name_order_with_all_parts(root):
    pairs = open_pairs("MSRS", data=root)
    assert (pairs.dataset, pairs.split) == ("MSRS", "test")
    assert pairs.names == ("00001D", "00002D", "00003N")
    assert len(list(pairs)) == len(pairs) == 3
    pair = pairs[0]
    assert pair.name == "00001D"
    assert pair.ir.shape == pair.vi.shape == (1, 6, 8)
    assert pair.vi_rgb.shape == (3, 6, 8)
    assert pair.labels.shape == (6, 8)
    assert pair.labels.dtype == torch.int64
    assert np.array_equal(pair.labels, Image.open(pair.labels_path))


def test_names_choose_and_order(root):
    pairs = open_pairs("MSRS", data=root, names=["00003N", "00001D"])
    assert pairs.names == ("00003N", "00001D")
    assert open_pairs("MSRS", data=root, names="00003N").names == ("00003N",)


def test_without_the_labels_folder_there_are_no_labels(root):
    shutil.rmtree(root / "MSRS/test/Segmentation_labels")
    assert open_pairs("MSRS", data=root)[0].labels is None


def test_fingerprint_is_of_contents_and_names_not_of_places(root, tmp_path_factory):
    before = open_pairs("MSRS", data=root).fingerprint
    assert len(before) == 16
    int(before, 16)
    copy = shutil.copytree(root, tmp_path_factory.mktemp("copy") / "root")
    assert open_pairs("MSRS", data=copy).fingerprint == before
    assert open_pairs("MSRS", data=root, names=["00003N"]).fingerprint != before
    for part in ("ir", "vi"):
        changed = next((copy / f"MSRS/test/{part}").glob("00002D.*"))
        old = changed.read_bytes()
        changed.write_bytes(old[:-1] + b"!")  # the same size
        os.utime(changed, (0, 0))  # a clock tick later, for sure
        assert open_pairs("MSRS", data=copy).fingerprint != before
        changed.write_bytes(old)
    for folder in (copy / "MSRS/test").iterdir():
        file = next(folder.glob("00003N.*"))
        file.rename(file.with_stem("00004N"))
    assert open_pairs("MSRS", data=copy).fingerprint != before


def break_unpaired_ir(root):
    (root / "MSRS/test/vi/00002D.jpg").unlink()


def break_unpaired_vi(root):
    save(root / "MSRS/test/vi/extra.png", 6, 8)


def break_labels(root):
    (root / "MSRS/test/Segmentation_labels/00002D.png").unlink()


def break_two_of_a_name(root):
    save(root / "MSRS/test/vi/00001D.png", 6, 8)


def break_empty(root):
    shutil.rmtree(root / "MSRS/test/vi")
    (root / "MSRS/test/vi").mkdir()
    for path in (root / "MSRS/test/ir").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_unpaired_ir, r"ir/00002D\.png has no partner in .*test/vi: add"),
        (break_unpaired_vi, r"vi/extra\.png has no partner in .*test/ir: add"),
        (break_labels, r"ir/00002D\.png has no labels in .*Segmentation_labels: add"),
        (break_two_of_a_name, r"vi/00001D\.bmp and 00001D\.png have one name: remove"),
        (break_empty, r"no image in .*MSRS/test/ir: put"),
    ],
)
def test_damaged_folders_are_named(root, damage, said):
    damage(root)
    with pytest.raises(FusionError, match=said):
        open_pairs("MSRS", data=root)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dataset": "MSRSS"}, "'MSRSS'.*MSRS, RoadScene"),
        ({"split": "val"}, "no split 'val': choose train or test"),
        ({"split": "train"}, "no folder .*MSRS/train/ir.*data list.*data get MSRS"),
        ({"dataset": "TNO"}, "no folder .*TNO/ir.*data get TNO"),
        ({"names": ["x"]}, "no image named 'x'.*'00001D'"),
        ({"names": []}, "names is empty"),
        ({"size": (8, 8)}, "size"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_bad_parameters_are_named(root, arguments, said):
    with pytest.raises(FusionError, match=said):
        open_pairs(**{"dataset": "MSRS", "data": root} | arguments)


def test_sizes_that_differ_are_found_on_access(root):
    save(root / "MSRS/test/vi/00001D.bmp", 6, 9, 3)
    save(root / "MSRS/test/Segmentation_labels/00002D.png", 5, 8)
    pairs = open_pairs("MSRS", data=root)
    for part in ("ir", "vi", "vi_rgb"):
        with pytest.raises(FusionError, match=r"ir/00001D\.png is 8x6.*vi/00001D\.bmp is 9x6"):
            getattr(pairs[0], part)
    with pytest.raises(FusionError, match=r"labels/00002D\.png is 8x5"):
        pairs[1].labels  # noqa: B018


def test_own_folders(root):
    folder = root / "MSRS/test"
    pairs = open_folders(folder / "ir", folder / "vi")
    assert (pairs.dataset, len(pairs), pairs[0].labels) == ("folder", 3, None)
    with pytest.raises(FusionError, match=r"no folder .*elsewhere"):
        open_folders(folder / "ir", folder / "elsewhere")
    with pytest.raises(FusionError, match="for the infrared and for the visible images"):
        open_folders(folder / "ir", folder / "vi/../ir")


def test_all_own_files_without_a_partner_are_named_at_once(root):
    folder = root / "MSRS/test"
    break_unpaired_ir(root)
    with pytest.raises(FusionError, match=r"vi lacks the partners of 1 images \(00002D\.png\): "):
        open_folders(folder / "ir", folder / "vi")
    for i in range(6):
        save(folder / f"vi/extra{i}.png", 6, 8)
    says = (
        r"ir lacks the partners of 6 images \(extra0\.png, .*, extra4\.png and 1 more\) and "
        r".*vi lacks the partners of 1 images \(00002D\.png\): give both images of a pair one name"
    )
    with pytest.raises(FusionError, match=says) as refused:
        open_folders(folder / "ir", folder / "vi")
    assert "\n" not in str(refused.value)
    break_two_of_a_name(root)
    with pytest.raises(FusionError, match="have one name: remove"):
        open_folders(folder / "ir", folder / "vi")
    break_empty(root)
    with pytest.raises(FusionError, match="no image in"):
        open_folders(folder / "ir", folder / "vi")


def test_scenes():
    train, test = (open_pairs("scenes", split, size=(48, 64)) for split in ("train", "test"))
    assert train.names == test.names
    assert len(train) == 32
    assert train.names[:3] == ("0000D", "0001N", "0002D")
    assert {pair.seed for pair in train}.isdisjoint(pair.seed for pair in test)
    assert [pair.night for pair in test][:2] == [False, True]
    assert train.fingerprint != test.fingerprint
    assert open_pairs("scenes").fingerprint != test.fingerprint
    assert open_pairs("scenes")[0].size == (480, 640)
    pair = open_pairs("scenes", names=["0101N"], size=(48, 64))[0]
    assert pair.ir is pair.ir
    assert pair.ir.shape == pair.vi.shape == (1, 48, 64)
    assert pair.vi_rgb.shape == (3, 48, 64)
    assert pair.labels.shape == (48, 64)
    for image in (pair.ir, pair.vi, pair.vi_rgb):  # on 8-bit levels
        assert torch.equal((image * 255).round() / 255, image)
    for name in ("0001D", "0000N", "12D", "x"):
        with pytest.raises(FusionError, match=name):
            open_pairs("scenes", names=[name])


@pytest.mark.parametrize("dataset", DATASETS)
def test_real_pairs(data_root, dataset):
    pairs = open_pairs(dataset, data=data_root)
    assert len(pairs) > 0
    assert list(pairs.names) == sorted(pairs.names)
    for pair in (pairs[0], pairs[len(pairs) - 1]):
        assert pair.ir.shape == pair.vi.shape
        assert pair.vi_rgb.shape == (3, *pair.ir.shape[1:])
        assert pair.ir.min() >= 0
        assert 0 < pair.ir.max() <= 1
        if pair.labels is not None:
            assert pair.labels.shape == pair.ir.shape[1:]
            assert pair.labels.max() < 16


def test_real_msrs_labels(data_root):
    pairs = open_pairs("MSRS", data=data_root)
    assert pairs[0].labels.unique().max() <= 8


def test_scenes_written_as_files_are_the_same_pairs(tmp_path):
    scenes = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(40, 56))
    ir, vi = scenes.write(tmp_path / "work")
    again = open_folders(ir, vi)
    assert again.names == scenes.names
    for written, scene in zip(again, scenes, strict=True):
        assert torch.equal(written.ir, scene.ir)
        assert torch.equal(written.vi_rgb, scene.vi_rgb)
        assert torch.equal(written.vi, scene.vi)
