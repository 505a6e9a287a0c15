"""The user's own images, without partners: opened, surveyed, cut, and named by their contents."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib.data import open_folders, open_images, open_pairs
from fusionlib.data.base import joined, load_base, patch_count, patch_source
from fusionlib.data.survey import survey
from fusionlib.errors import FusionError
from fusionlib.training import Spec

SIZES = {"ir": [(40, 64), (33, 32)], "vi": [(64, 70), (32, 96), (50, 50)]}  # height, width


def write(folder, sizes, channels=1, depth=np.uint8, seed=0):
    """Images of noise, 0.png, 1.png, ...; returns their levels."""
    folder.mkdir(parents=True, exist_ok=True)
    source, levels = np.random.default_rng(seed), []
    for number, size in enumerate(sizes):
        shape = size if channels == 1 else (*size, channels)
        levels.append(source.integers(0, np.iinfo(depth).max, shape, depth, endpoint=True))
        Image.fromarray(levels[-1]).save(folder / f"{number}.png")
    return levels


@pytest.fixture
def folders(tmp_path):
    write(tmp_path / "ir", SIZES["ir"])
    write(tmp_path / "vi", SIZES["vi"], channels=3, seed=1)
    return tmp_path


def sources(root, patch=32, stride=32, **more):
    return tuple(
        patch_source(open_images(root / side), side, patch, stride, **more) for side in ("ir", "vi")
    )


def spec_of(root, **values):
    ir, vi = sources(root)
    return Spec("bsp-cnn", ir, vi, **{"relation": "unpaired", "pairs": 8, "steps": 4, **values})


def test_images_of_any_size_become_a_base(folders):
    levels = write(folders / "ir", SIZES["ir"])
    ir, vi = sources(folders)
    base = load_base(ir, vi)
    assert (len(base.ir), len(base.vi)) == (2 + 1, 4 + 3 + 1)
    assert [patch_count(source) for source in (ir, vi)] == [3, 8]
    np.testing.assert_array_equal(base.ir[1], levels[0][:32, 32:64])
    np.testing.assert_array_equal(base.ir[2], levels[1][:32])
    colour = patch_source(open_images(folders / "vi"), "vi", 32, 32, colour=True)
    assert load_base(ir, colour).vi.shape == (8, 3, 32, 32)


def test_the_key_follows_the_contents_and_not_the_place(folders, tmp_path):
    spec = spec_of(folders)
    moved = spec_of(folders.rename(tmp_path.parent / f"{tmp_path.name} moved"))
    assert moved.ir.folder != spec.ir.folder
    assert moved == spec
    assert moved.key == spec.key
    assert len(load_base(moved.ir, moved.vi).ir) == 3
    with pytest.raises(FusionError, match=f"no folder {spec.ir.folder}"):
        load_base(spec.ir, spec.vi)
    write(tmp_path.parent / f"{tmp_path.name} moved" / "ir", SIZES["ir"], seed=2)
    changed = spec_of(tmp_path.parent / f"{tmp_path.name} moved")
    assert changed.key != spec.key
    with pytest.raises(FusionError, match=r"moved/ir \(ir\) are not those"):
        load_base(moved.ir, moved.vi)


def test_a_spec_of_folders_goes_through_json(folders):
    spec = spec_of(folders)
    again = Spec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.ir.folder == str(folders / "ir")


def test_own_images_join_those_of_a_dataset(folders):
    scenes = patch_source(open_pairs("scenes", "train", names=["0001N"], size=(64, 96)), "ir", 32)
    own = sources(folders)[0]
    both = joined(dataclasses.replace(scenes, stride=32), own)
    assert len(load_base(both, both).ir) == patch_count(both) == 6 + 3


def test_images_without_partners_are_never_strict(tmp_path):
    for side in ("ir", "vi"):
        write(tmp_path / side, SIZES["ir"])
    with pytest.raises(FusionError, match="strict relation needs the same images"):
        spec_of(tmp_path, relation="strict", pairs=3, batch=3)
    pairs = open_folders(tmp_path / "ir", tmp_path / "vi")  # the same files, as pairs
    ir, vi = (patch_source(pairs, side, 32, 32) for side in ("ir", "vi"))
    strict = Spec("bsp-cnn", ir, vi, "strict", 3, steps=1, batch=3)
    assert torch.equal(*dataclasses.astuple(load_base(strict.ir, strict.vi)))


def test_a_survey_tells_what_training_gets(folders):
    write(folders / "deep", [(40, 64)], depth=np.uint16)
    levels = np.asarray(Image.open(folders / "deep" / "0.png")) >> 4
    Image.fromarray(levels).save(folders / "deep" / "1.png")
    (folders / "deep" / "notes.txt").write_text("of the camera")
    table = survey(folders / "deep", 32)
    assert table["bits"].tolist() == ["16", "12 of 16"]
    assert table["brightest"].tolist() == [255, round(levels.max() / 257)]
    assert table.attrs["passed_over"] == ["notes.txt"]
    visible = survey(folders / "vi", 32, 16)
    assert visible["colour"].all()
    assert list(zip(visible["height"], visible["width"])) == SIZES["vi"]
    assert visible["patches"].sum() == patch_count(sources(folders, 32, 16)[1])
    first = open_images(folders / "vi")[0]
    assert visible["mean"][0] == pytest.approx(255 * first.vi.mean().item(), abs=1e-3)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: folder.rename(folder.with_name("other")), "no folder .*ir: check"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "no image in .*ir: put"),
        (lambda folder: (folder / "1.png").write_text("no image"), r"1\.png cannot be read as an"),
        (lambda folder: (folder / "1.jpg").write_bytes(b""), r"1\.jpg and 1\.png have one name"),
        (lambda folder: write(folder, [(31, 64)]), r"0\.png is 64x31 .* a patch of 32: leave"),
    ],
)
def test_what_a_survey_refuses(folders, spoil, said):
    spoil(folders / "ir")
    with pytest.raises(FusionError, match=said) as refused:
        survey(folders / "ir", 32)
    assert "\n" not in str(refused.value)
