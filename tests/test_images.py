"""Reading every common kind of image file, writing, and colour conversion."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import images
from fusionlib.errors import FusionError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)


def luma(rgb):
    # BT.601 in exact arithmetic; Pillow's fixed point may differ by one level at a tie.
    return rgb @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm"])
def test_grey_is_read_exactly(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(GREY).save(path)
    grey, colour = images.read_grey(path), images.read_colour(path)
    assert grey.dtype == torch.float32
    assert grey.shape == (1, 20, 30)
    assert torch.equal(grey[0] * 255, torch.from_numpy(GREY).float())
    assert torch.equal(colour, grey.expand(3, -1, -1))


def test_grey_stored_as_three_channels_is_the_same_grey(tmp_path):
    Image.fromarray(np.stack([GREY] * 3, 2)).save(tmp_path / "a.png")
    assert torch.equal(images.read_grey(tmp_path / "a.png")[0] * 255, torch.tensor(GREY).float())


def test_colour_and_its_grey(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    expected = torch.from_numpy(RGB).permute(2, 0, 1) / 255
    assert torch.equal(images.read_colour(path), expected)
    levels = images.read_grey(path)[0].numpy() * 255
    assert np.abs(levels - luma(RGB)).max() < 0.502
    assert np.array_equal(levels, np.asarray(Image.fromarray(RGB).convert("L")))
    assert torch.equal(images.grey_of(expected), images.read_grey(path))


def test_alpha_is_dropped(tmp_path):
    rgba = np.concatenate([RGB, RNG.integers(0, 256, (20, 30, 1), dtype=np.uint8)], 2)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    for read in (images.read_grey, images.read_colour):
        assert torch.equal(read(tmp_path / "rgba.png"), read(tmp_path / "rgb.png"))
    Image.fromarray(rgba[..., 2:], "LA").save(tmp_path / "la.png")
    assert torch.equal(images.read_grey(tmp_path / "la.png")[0] * 255, torch.tensor(RGB[..., 2]))


@pytest.mark.filterwarnings("error")
def test_palette_with_transparency(tmp_path):
    palette = Image.fromarray(RGB).convert("P")
    palette.save(tmp_path / "p.png", transparency=bytes(range(256)))
    shown = np.asarray(palette.convert("RGB"))
    colour = images.read_colour(tmp_path / "p.png")
    assert np.array_equal(colour.permute(1, 2, 0) * 255, shown)
    assert np.abs(images.read_grey(tmp_path / "p.png")[0].numpy() * 255 - luma(shown)).max() < 0.502


def test_one_bit(tmp_path):
    Image.fromarray(GREY > 99).save(tmp_path / "a.png")
    assert torch.equal(images.read_grey(tmp_path / "a.png")[0], torch.tensor(GREY > 99).float())


def test_cmyk_jpeg(tmp_path):
    flat = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    flat.save(tmp_path / "a.jpg", quality=100)
    assert images.read_colour(tmp_path / "a.jpg")[:, 8, 8].mul(255).tolist() == pytest.approx(
        [200, 100, 50], abs=3
    )


@pytest.mark.parametrize("kind", ["png", "tif", "tif, big-endian", "pgm"])
def test_16_bit_keeps_its_precision(tmp_path, kind):
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "pgm":
        path.write_bytes(b"P5 30 20 65535\n" + DEEP.astype(">u2").tobytes())
    elif kind == "tif, big-endian":
        Image.fromarray(DEEP.astype(">u2")).save(path)
        assert path.read_bytes().startswith(b"MM")
    else:
        Image.fromarray(DEEP).save(path)
    expected = torch.from_numpy(DEEP.astype(np.float32) / 65535)
    assert torch.equal(images.read_grey(path)[0], expected)
    assert torch.equal(images.read_colour(path), expected.expand(3, -1, -1))


@pytest.mark.parametrize("values", [np.float32(GREY), np.int32(GREY) - 300])
def test_pixels_of_unknown_range_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(FusionError, match=r"a\.tif.*save it with 8 or 16 bits"):
        images.read_grey(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("damage", "suffix"),
    [
        *itertools.product(
            ["truncated", "text", "empty", "missing", "folder"], [".png", ".jpg", ".tif", ".bmp"]
        ),
        ("flipped", ".png"),  # the others carry no check sums
    ],
)
def test_damaged_files_are_named(tmp_path, damage, suffix):
    path = tmp_path / f"bad{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "text":
        path.write_text("no image")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    for read in (images.read_grey, images.read_colour, images.read_labels):
        with pytest.raises(FusionError) as caught:
            read(path)
        assert str(caught.value).count(str(path)) >= 1
        assert ("replace" in str(caught.value)) == (damage != "missing")


def test_labels_keep_their_numbers(tmp_path):
    classes = (GREY % 9).astype(np.uint8)
    Image.fromarray(classes).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([classes] * 3, 2)).save(tmp_path / "three.png")
    palette = Image.fromarray(classes, "P")
    palette.putpalette(RNG.integers(0, 256, 27, dtype=np.uint8).tobytes())
    palette.save(tmp_path / "palette.png")
    for path in tmp_path.iterdir():
        labels = images.read_labels(path)
        assert labels.dtype == torch.int64
        assert np.array_equal(labels, classes)
    Image.fromarray(RGB).save(tmp_path / "colours.png")
    with pytest.raises(FusionError, match=r"colours\.png"):
        images.read_labels(tmp_path / "colours.png")


def test_read_pair(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "ir.png")
    Image.fromarray(RGB).save(tmp_path / "vi.bmp")
    ir, vi = images.read_pair(tmp_path / "ir.png", tmp_path / "vi.bmp")
    assert ir.shape == vi.shape == (1, 20, 30)
    assert images.read_pair(tmp_path / "ir.png", tmp_path / "vi.bmp", True)[1].shape[0] == 3
    Image.fromarray(RGB[1:]).save(tmp_path / "vi.bmp")
    with pytest.raises(FusionError, match=r"ir\.png is 30x20 and .*vi\.bmp is 30x19"):
        images.read_pair(tmp_path / "ir.png", tmp_path / "vi.bmp")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_write_and_read_back(tmp_path, channels, suffix):
    levels = torch.arange(256).float().reshape(1, 16, 16).repeat(channels, 1, 1)
    path = tmp_path / "new" / f"a{suffix}"
    images.write(path, levels / 255)
    read = images.read_grey if channels == 1 else images.read_colour
    assert torch.equal(read(path), levels / 255)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_to_uint8_rounds_half_up_and_clips():
    image = torch.tensor([[[-1.0, 0.5, 1.5, 2.5, 254.4, 254.5, 300, torch.inf]]]) / 255
    assert images.to_uint8(image).tolist() == [[[0, 1, 2, 3, 254, 255, 255, 255]]]
    assert images.quantise(image)[0, 0, 1] == 1 / 255
    with pytest.raises(FusionError, match="NaN"):
        images.to_uint8(image * torch.nan)


def test_write_refuses_and_leaves_nothing(tmp_path, monkeypatch):
    image = torch.zeros(1, 4, 4)
    with pytest.raises(FusionError, match=r"a\.xyz.*suffix"):
        images.write(tmp_path / "a.xyz", image)
    with pytest.raises(FusionError, match="shape"):
        images.write(tmp_path / "a.png", image[0])
    images.write(tmp_path / "a.png", image)
    before = (tmp_path / "a.png").read_bytes()

    def full_disk(self, file, **options):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(FusionError, match=r"a\.png.*No space left"):
        images.write(tmp_path / "a.png", image + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_ycbcr_is_full_range_bt601():
    rgb = torch.rand(2, 3, 5, 7)
    ycbcr = images.rgb_to_ycbcr(rgb)
    assert torch.allclose(images.ycbcr_to_rgb(ycbcr), rgb, atol=1e-6)
    # Pillow's YCbCr is the full-range one of JFIF.
    levels = images.to_uint8(rgb[0]).transpose(1, 2, 0)
    pillow = np.asarray(Image.fromarray(levels).convert("YCbCr"))
    ours = images.rgb_to_ycbcr(torch.from_numpy(levels).permute(2, 0, 1) / 255) * 255
    assert np.abs(ours.permute(1, 2, 0).numpy() - pillow)[..., 0].max() < 1
    # Pillow's neutral chroma is 128, ours the middle of the range, 127.5.
    assert np.abs(ours.permute(1, 2, 0).numpy() + 0.5 - pillow)[..., 1:].max() < 1.01
    grey = images.rgb_to_ycbcr(torch.full((3, 1, 1), 0.3)).flatten()
    assert grey.tolist() == pytest.approx([0.3, 0.5, 0.5])


# Pillow's own luma: every colour it knows is one of these, 2^16 a value of red.
@pytest.mark.parametrize("red", [0, 1, 77, 128, 254, 255])
def test_grey_of_is_pillows_mode_l_for_whole_planes_of_colours(red):
    green, blue = np.mgrid[:256, :256].astype(np.uint8)
    _assert_grey_of_is_pillows(np.stack([np.full_like(green, red), green, blue], -1))


def test_grey_of_is_pillows_mode_l_for_a_dense_sample_and_all_corners():
    sample = np.random.default_rng(4).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    corners = list(itertools.product((0, 1, 127, 128, 254, 255), repeat=3))
    sample[0, : len(corners)] = corners
    _assert_grey_of_is_pillows(sample)


def _assert_grey_of_is_pillows(levels, device="cpu"):
    expected = torch.from_numpy(np.array(Image.fromarray(levels).convert("L")))
    for dtype in (torch.float32, torch.float64):
        rgb = torch.from_numpy(levels).permute(2, 0, 1).to(device, dtype) / 255
        grey = images.grey_of(rgb)
        assert grey.shape == (1, *expected.shape)
        assert grey.device.type == device
        assert torch.equal(grey[0].cpu() * 255, expected.to(grey.dtype))


@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3)], ids=str)
def test_grey_of_takes_any_leading_dimensions(lead):
    rgb = torch.rand(*lead, 3, 5, 7)
    grey = images.grey_of(rgb)
    assert grey.shape == (*lead, 1, 5, 7)
    for one, its_grey in zip(rgb.reshape(-1, 3, 5, 7), grey.reshape(-1, 1, 5, 7), strict=True):
        picture = Image.fromarray(images.to_uint8(one).transpose(1, 2, 0)).convert("L")
        assert np.array_equal(its_grey[0] * 255, np.asarray(picture))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_grey_of_on_a_device():
    _assert_grey_of_is_pillows(RGB, "cuda")


# --- levels, notes, chroma ------------------------------------------------------------------

DEEP_RGB = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)


@pytest.mark.parametrize(("bits", "top"), [(16, 65535), (14, 16383), (9, 511)])
def test_to_unit_divides_by_the_highest_value_of_the_bits(bits, top):
    levels = np.array([[0, 1, top]], np.uint16)
    assert torch.equal(images.to_unit(levels, bits), torch.tensor([[[0, 1 / top, 1]]]))
    assert images.to_unit(levels.astype(np.uint8), bits)[0, 0, 1] == 1 / np.float32(255)


def test_a_png_file_carries_a_note(tmp_path):
    image = torch.rand(3, 4, 5)
    images.write(tmp_path / "a.png", image, note='{"who": "x"}')
    images.write(tmp_path / "b.png", image)
    assert images.note_of(tmp_path / "a.png") == '{"who": "x"}'
    assert torch.equal(images.read_colour(tmp_path / "a.png"), images.quantise(image))
    (tmp_path / "text.png").write_text("no image")
    for name in ("b.png", "text.png", "missing.png"):
        assert images.note_of(tmp_path / name) is None


def test_8_bit_levels_are_written_as_they_are(tmp_path):
    images.write(tmp_path / "a.png", torch.from_numpy(RGB).permute(2, 0, 1))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), RGB)


def test_recolour_replaces_the_luma_and_keeps_the_chroma(monkeypatch):
    monkeypatch.setattr(images, "_STRIP", 7 * 30)  # 20 rows in three strips
    grey = torch.rand(1, 20, 30)
    result = images.recolour(grey, RGB)
    ycbcr = images.rgb_to_ycbcr(torch.from_numpy(RGB).permute(2, 0, 1) / 255)
    ycbcr[0] = grey[0]
    rgb = images.ycbcr_to_rgb(ycbcr)
    assert (rgb < 0).any()
    assert (rgb > 1).any()
    assert np.array_equal(result, images.to_uint8(rgb))
    # Where nothing is clipped, luma and chroma are what was asked for, within the rounding.
    inside = ((rgb >= 0) & (rgb <= 1)).all(0)
    back = images.rgb_to_ycbcr(result / 255)
    assert ((back - ycbcr)[:, inside].abs() * 255).max() < 1.01


@pytest.mark.parametrize("levels", [RGB, DEEP_RGB], ids=["8 bits", "16 bits"])
def test_recolour_with_its_own_luma_changes_nothing(levels):
    luma_of = images.rgb_to_ycbcr(images.to_unit(levels))[:1]
    expected = images.to_uint8(images.to_unit(levels))
    assert np.array_equal(images.recolour(luma_of, levels), expected)


def test_recolour_around_grey_gives_grey():
    grey = images.quantise(torch.rand(1, 20, 30))
    for levels in (GREY, np.stack([GREY] * 3, 2)):
        result = images.recolour(grey, levels)
        assert torch.equal(result / 255, grey.expand(3, -1, -1))
