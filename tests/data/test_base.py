"""The base: how images are cut, what identifies them, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib.data import open_pairs
from fusionlib.data.base import cut, joined, load_base, patch_count, patch_source
from fusionlib.errors import FusionError

NAMES = ("00001D", "00002N")


def write_images(root, names=NAMES, height=70, width=100, seed=0):
    """MSRS training pairs of noise below `root`; returns levels by (side, name)."""
    source, levels = np.random.default_rng(seed), {}
    for side in ("ir", "vi"):
        folder = root / "MSRS" / "train" / side
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            levels[side, name] = source.integers(0, 256, (height, width), np.uint8)
            Image.fromarray(levels[side, name]).save(folder / f"{name}.png")
    return levels


def sources(root, names=None, **cutting):
    pairs = open_pairs("MSRS", "train", root, names)
    return tuple(patch_source(pairs, side, **cutting) for side in ("ir", "vi"))


@pytest.mark.parametrize(
    ("size", "patch", "stride", "number"),
    [
        ((480, 640), 128, 128, 15),
        ((480, 640), 128, 20, 468),
        ((128, 128), 128, 128, 1),
        ((130, 255), 128, 128, 1),
        ((128, 256), 128, 128, 2),
    ],
)
def test_number_of_patches(size, patch, stride, number):
    image = torch.zeros(size, dtype=torch.uint8)
    assert cut(image, patch, stride).shape == (number, patch, patch)


def test_patches_come_row_by_row():
    image = torch.arange(7 * 9).reshape(7, 9)
    corners = [(0, 0), (0, 3), (0, 6), (4, 0), (4, 3), (4, 6)]
    slow = [image[top : top + 3, left : left + 3] for top, left in corners if top + 3 <= 7]
    assert torch.equal(cut(image, 3, 3)[:3], torch.stack(slow[:3]))
    assert torch.equal(cut(image, 3, 4), torch.stack(
        [image[top : top + 3, left : left + 3] for top in (0, 4) for left in (0, 4)]
    ))  # fmt: skip


def test_the_base_holds_the_levels_of_the_files_in_order(tmp_path):
    levels = write_images(tmp_path)
    names = NAMES[::-1]
    base = load_base(*sources(tmp_path, names, patch=32, stride=32), tmp_path)
    for side, patches in (("ir", base.ir), ("vi", base.vi)):
        assert patches.dtype == torch.uint8
        assert patches.shape == (2 * 2 * 3, 32, 32)
        np.testing.assert_array_equal(patches[0], levels[side, names[0]][:32, :32])
        np.testing.assert_array_equal(patches[5], levels[side, names[0]][32:64, 64:96])
        np.testing.assert_array_equal(patches[6], levels[side, names[1]][:32, :32])


def test_gather_picks_infrared_by_the_first_and_visible_by_the_second_index(tmp_path):
    write_images(tmp_path)
    base = load_base(*sources(tmp_path, patch=32, stride=32), tmp_path)
    ir, vi = base.gather(torch.tensor([[3, 7], [0, 0], [11, 3]]))
    assert ir.shape == vi.shape == (3, 1, 32, 32)
    assert ir.dtype == vi.dtype == torch.float32
    assert torch.equal((ir[:, 0] * 255).round().byte(), base.ir[[3, 0, 11]])
    assert torch.equal((vi[:, 0] * 255).round().byte(), base.vi[[7, 0, 3]])
    assert ir.min() >= 0
    assert ir.max() <= 1


def test_the_two_sides_may_come_from_different_images(tmp_path):
    write_images(tmp_path)
    ir = patch_source(open_pairs("MSRS", "train", tmp_path, NAMES), "ir", 32, 32)
    vi = patch_source(open_pairs("MSRS", "train", tmp_path, NAMES[:1]), "vi", 32, 16, first=7)
    base = load_base(ir, vi, tmp_path)
    assert (len(base.ir), len(base.vi)) == (12, 7)


def test_rendered_scenes_keep_their_size():
    pairs = open_pairs("scenes", "train", names=["0003N"], size=(64, 96))
    ir, vi = (patch_source(pairs, side, 32, 32) for side in ("ir", "vi"))
    assert ir.size == (64, 96)
    assert len(load_base(ir, vi).vi) == 6
    assert ir.fingerprint != vi.fingerprint


def test_the_fingerprint_follows_the_pixels_and_not_the_place(tmp_path):
    here, there, changed = (tmp_path / name for name in ("here", "there", "changed"))
    for root in (here, there, changed):
        levels = write_images(root)
    image = levels["vi", NAMES[1]].copy()
    image[5, 5] ^= 1
    Image.fromarray(image).save(changed / "MSRS" / "train" / "vi" / f"{NAMES[1]}.png")
    assert sources(here) == sources(there)
    assert sources(here)[0] == sources(changed)[0]
    assert sources(here)[1].fingerprint != sources(changed)[1].fingerprint
    prints = {sources(here, names)[0].fingerprint for names in (NAMES, NAMES[:1], NAMES[1:])}
    assert len(prints) == 3
    assert all(len(print_) == 16 and int(print_, 16) >= 0 for print_ in prints)


def test_a_file_that_changes_in_one_session_gets_a_new_fingerprint(tmp_path):
    write_images(tmp_path)
    before = sources(tmp_path)
    write_images(tmp_path, seed=1)
    assert sources(tmp_path)[0].fingerprint != before[0].fingerprint


def test_images_that_changed_after_the_spec_are_refused(tmp_path):
    write_images(tmp_path)
    made = sources(tmp_path, patch=32, stride=32)
    write_images(tmp_path, seed=1)
    with pytest.raises(FusionError, match=r"MSRS train \(ir\).*make the spec anew"):
        load_base(*made, tmp_path)


def test_an_image_smaller_than_a_patch_is_refused_by_name(tmp_path):
    write_images(tmp_path)
    with pytest.raises(FusionError, match=r"00001D.*70x100.*smaller than a patch of 71"):
        load_base(*sources(tmp_path, patch=71), tmp_path)
    assert len(load_base(*sources(tmp_path, patch=70), tmp_path).ir) == 2


def test_more_patches_than_there_are_is_refused(tmp_path):
    write_images(tmp_path)
    exact = sources(tmp_path, patch=32, stride=32, first=12)
    assert len(load_base(*exact, tmp_path).ir) == 12
    with pytest.raises(FusionError, match=r"gives 12 patches, fewer than first=13"):
        load_base(*(dataclasses.replace(source, first=13) for source in exact), tmp_path)


def test_an_unknown_modality_is_refused(tmp_path):
    write_images(tmp_path)
    with pytest.raises(FusionError, match="'ir' or 'vi', not 'rgb'"):
        patch_source(open_pairs("MSRS", "train", tmp_path), "rgb")


@pytest.mark.parametrize(("patch", "stride", "first"), [(32, 32, None), (32, 20, None), (50, 7, 5)])
def test_patches_are_counted_without_cutting(tmp_path, patch, stride, first):
    write_images(tmp_path)
    made = [
        dataclasses.replace(source, first=first)
        for source in sources(tmp_path, patch=patch, stride=stride)
    ]
    base = load_base(*made, tmp_path)
    assert [patch_count(source, tmp_path) for source in made] == [len(base.ir), len(base.vi)]


def colour_sources(root):
    ir, _ = sources(root, patch=32, stride=32)
    pairs = open_pairs("MSRS", "train", root)
    return ir, patch_source(pairs, "vi", 32, 32, colour=True)


def test_patches_in_colour_repeat_the_infrared_ones(tmp_path):
    write_images(tmp_path)
    colours = np.random.default_rng(1).integers(0, 256, (70, 100, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "MSRS" / "train" / "vi" / "00001D.png")
    base = load_base(*colour_sources(tmp_path), tmp_path)
    assert base.vi.shape == (12, 3, 32, 32)
    assert torch.equal(base.vi[4], torch.from_numpy(colours[32:64, 32:64]).permute(2, 0, 1))
    ir, vi = base.gather(torch.tensor([[5, 4], [0, 11]]))
    assert ir.shape == vi.shape == (2, 3, 32, 32)
    assert torch.equal(ir[0], base.ir[5].expand(3, -1, -1) / 255)
    assert torch.equal(vi[0], base.vi[4] / 255)


def test_colour_has_a_fingerprint_of_its_own(tmp_path):
    write_images(tmp_path)
    grey, colour = sources(tmp_path)[1], colour_sources(tmp_path)[1]
    assert grey.fingerprint != colour.fingerprint


def test_infrared_has_no_colour(tmp_path):
    write_images(tmp_path)
    with pytest.raises(FusionError, match="have no colour"):
        patch_source(open_pairs("MSRS", "train", tmp_path), "ir", colour=True)


def test_joined_sources_follow_each_other(tmp_path):
    write_images(tmp_path)
    pairs = open_pairs("MSRS", "train", tmp_path)
    parts = [patch_source(pairs.select([n]), "ir", 32, s) for n, s in zip(NAMES, (32, 16))]
    few = dataclasses.replace(parts[1], first=3)
    both = joined(parts[0], few, parts[0])
    alone = [load_base(part, part, tmp_path).ir for part in (parts[0], few)]
    assert torch.equal(load_base(both, both, tmp_path).ir, torch.cat((*alone, alone[0])))
    assert patch_count(both, tmp_path) == 6 + 3 + 6
    assert joined(joined(parts[0], few), parts[0]) == both
    assert joined(few) == few


def test_what_can_not_be_joined(tmp_path):
    write_images(tmp_path)
    ir, vi = sources(tmp_path, patch=32, stride=32)
    with pytest.raises(FusionError, match="'ir' of 32, colour=False and 'vi' of 32, colour=False"):
        joined(ir, vi)
    with pytest.raises(FusionError, match="one modality, patch and colour"):
        joined(ir, dataclasses.replace(ir, patch=16))
