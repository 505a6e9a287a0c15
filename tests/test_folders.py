"""Which fused image belongs to which pair: names, complaints and sizes."""

import pytest
import torch
from PIL import Image

from fusionlib import images
from fusionlib.data import open_folders
from fusionlib.errors import FusionError, listed
from fusionlib.folders import match, methods


def write(folder, names, shape=(1, 20, 30), suffix=".png"):
    for name in names:
        images.write(folder / f"{name}{suffix}", torch.rand(shape))
    return folder


@pytest.fixture
def pairs(tmp_path):
    names = ["1", "2", "11"]
    return open_folders(write(tmp_path / "ir", names), write(tmp_path / "vi", names, (3, 20, 30)))


def files_of(found, method="a"):
    return {name: path.name for name, path in found.files[method].items()}


def test_files_are_found_by_name_whatever_their_suffix(tmp_path, pairs):
    folder = write(write(tmp_path / "a", ["1", "11"]), ["2"], suffix=".bmp")
    (folder / ".2.png").write_text("not an image")
    (folder / "notes.txt").write_text("")
    found = match({"a": folder}, pairs)
    assert files_of(found) == {"1": "1.png", "11": "11.png", "2": "2.bmp"}
    assert found.passed_over == {}
    assert found.grey == str(folder / "1.png")
    assert sorted(found.smallest[1:]) == [20, 30]


@pytest.mark.parametrize("name", ["{}_fused", "MSRS_{}", "a1_{}-1"])
def test_the_same_text_around_all_names_is_passed_over(tmp_path, pairs, name):
    folder = write(tmp_path / "a", [name.format(n) for n in pairs.names], (3, 20, 30))
    found = match({"a": folder}, pairs)
    assert files_of(found) == {n: f"{name.format(n)}.png" for n in pairs.names}
    assert found.grey is None


def test_two_ways_to_read_the_names_are_refused(tmp_path, pairs):
    names = [f"{n}_{kind}" for n in pairs.names for kind in ("ir", "fused")]
    with pytest.raises(FusionError, match="lacks 3"):
        match({"a": write(tmp_path / "a", names)}, pairs)


@pytest.mark.parametrize("left", [["1", "11"], ["1", "2"], ["2", "11"], ["11"]])
def test_the_text_around_names_is_found_where_some_are_missing(tmp_path, pairs, left):
    folder = write(tmp_path / "a", [*(f"{n}_fused" for n in left), "grid"])
    missing = [n for n in pairs.names if n not in left]
    says = rf"lacks {len(missing)} .*\({', '.join(missing)}\) and has 1 .* no pair \(grid\)"
    if left == ["11"]:  # also read as 1 with another 1 on either side
        says = "lacks 3"
    with pytest.raises(FusionError, match=says):
        match({"a": folder}, pairs)
    if left != ["11"]:
        found = match({"a": folder}, pairs, common=True)
        assert files_of(found) == {n: f"{n}_fused.png" for n in found.pairs.names}
        assert set(found.pairs.names) == set(left)
        assert found.passed_over == {"a": ["grid"]}


def test_images_of_no_pair_are_passed_over_and_named(tmp_path, pairs):
    folder = write(tmp_path / "a", [*pairs.names, "grid"])
    assert match({"a": folder}, pairs).passed_over == {"a": ["grid"]}


def test_all_that_is_missing_is_named_with_what_may_be_meant(tmp_path, pairs):
    folder = write(tmp_path / "a", ["1", "02", "011"])
    says = r"a lacks 2 of the pairs' images \(11, 2\) and has 2 that belong to no pair \(011, 02\)"
    with pytest.raises(FusionError, match=says):
        match({"a": folder}, pairs)


def test_common_keeps_the_pairs_that_all_folders_have(tmp_path, pairs):
    folders = {"a": write(tmp_path / "a", ["1", "2"]), "b": write(tmp_path / "b", ["2", "11"])}
    with pytest.raises(FusionError, match="a lacks 1"):
        match(folders, pairs)
    found = match(folders, pairs, common=True)
    assert found.pairs.names == ("2",)
    assert found.passed_over == {}
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(FusionError, match="No pair has a fused image in each of"):
        match(folders, pairs, common=True)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: write(folder, ["2"], (1, 20, 29)), r"2\.png is 29x20 .* sources are 30x20"),
        (lambda folder: write(folder, ["2"], suffix=".bmp"), r"holds 2\.bmp and 2\.png"),
        (lambda folder: (folder / "2.png").write_bytes(b"no"), r"2\.png cannot be read"),
        (lambda folder: write(folder.parent / "vi", ["2"], (1, 19, 30)), "one size, but .* 30x19"),
    ],
)
def test_bad_images_are_named(tmp_path, pairs, spoil, says):
    folder = write(tmp_path / "a", pairs.names)
    spoil(folder)
    with pytest.raises(FusionError, match=says):
        match({"a": folder}, pairs)


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path, pairs):
    with pytest.raises(FusionError, match="no folder to score"):
        match({}, pairs)
    with pytest.raises(FusionError, match=r"no folder .*nowhere"):
        match({"a": tmp_path / "nowhere"}, pairs)
    (tmp_path / "a").mkdir()
    with pytest.raises(FusionError, match=r"no image in .*a: "):
        match({"a": tmp_path / "a"}, pairs)


def test_methods_are_named_by_what_tells_the_folders_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(methods(["out/ours", "theirs/"])) == ["ours", "theirs"]
    assert list(methods(["ours/MSRS", "theirs/MSRS"])) == ["ours/MSRS", "theirs/MSRS"]
    assert list(methods(["."])) == [tmp_path.name]
    with pytest.raises(FusionError, match="named twice"):
        methods(["ours", "theirs", "./ours/"])


def test_long_lists_are_counted():
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(1005)]) == "0, 1, 2, 3, 4 and 1,000 more"


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)],
)
def test_the_header_tells_shape_and_colour(tmp_path, mode, channels):
    Image.new(mode, (30, 20)).save(tmp_path / "a.png")
    assert images.shape_of(tmp_path / "a.png") == (channels, 20, 30)
