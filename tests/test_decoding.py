"""Depth and orientation of image files; tests/test_images.py has the common kinds."""

import itertools
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import images
from fusionlib.errors import FusionError

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)
DEEP_RGB = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)


def png_of(values, colour_type):
    """A PNG file of 16 bits a channel, its rows filtered in turn by all five PNG filters."""
    height, width, channels = values.shape
    size = 2 * channels
    rows = np.frombuffer(values.astype(">u2").tobytes(), np.uint8).reshape(height, -1).astype(int)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    left, corner = (np.hstack([np.zeros_like(r[:, :size]), r[:, :-size]]) for r in (rows, above))
    estimate = left + above - corner
    near = [np.abs(estimate - other) for other in (left, above, corner)]
    paeth = np.select([near[0] <= np.minimum(*near[1:]), near[1] <= near[2]], [left, above], corner)
    guesses = [np.zeros_like(rows), left, above, (left + above) // 2, paeth]
    lines = b"".join(
        bytes([y % 5]) + ((rows[y] - guesses[y % 5][y]) % 256).astype(np.uint8).tobytes()
        for y in range(height)
    )

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def write_deep(path, values, kind):
    """16-bit colour as each kind of writer stores it."""
    if kind == "png":
        path.write_bytes(png_of(values, {2: 4, 3: 2, 4: 6}[values.shape[2]]))
        return
    tifffile = pytest.importorskip("tifffile")  # comes with scikit-image
    order, layout, compression = kind.split()
    planes = layout == "separate"
    tifffile.imwrite(
        path,
        np.moveaxis(values, 2, 0) if planes else values,
        photometric="rgb",
        byteorder=order,
        planarconfig=layout,
        compression=None if compression == "none" else compression,
        extrasamples=["unassalpha"] if values.shape[2] == 4 else None,
    )


DEEP_KINDS = ["png"] + [
    " ".join(parts) for parts in itertools.product("<>", ["contig", "separate"], ["none", "zlib"])
]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("kind", DEEP_KINDS)
def test_16_bit_colour_keeps_its_precision(tmp_path, kind, alpha):
    path = tmp_path / f"a.{'png' if kind == 'png' else 'tif'}"
    stored = np.concatenate([DEEP_RGB, DEEP[..., None]], 2) if alpha else DEEP_RGB
    write_deep(path, stored, kind)
    assert images.shape_of(path) == (3, 20, 30)
    assert np.array_equal(images.read_levels(path), DEEP_RGB)
    colour = images.read_colour(path)
    assert torch.equal(colour, torch.tensor(DEEP_RGB / np.float32(65535)).permute(2, 0, 1))
    grey = images.read_grey(path)[0].numpy() * 65535
    assert (
        np.abs(grey - DEEP_RGB @ np.array([0.299, 0.587, 0.114])).max() < 1.01
    )  # parts of 65,536, one rounding


def test_16_bit_grey_with_alpha(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(DEEP_RGB[..., :2], 4))
    assert images.shape_of(tmp_path / "a.png") == (1, 20, 30)
    assert np.array_equal(images.read_levels(tmp_path / "a.png"), DEEP_RGB[..., 0])


def test_grey_in_16_bit_colour_is_the_same_grey(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(np.stack([DEEP] * 3, 2), 2))
    Image.fromarray(DEEP).save(tmp_path / "grey.png")
    assert torch.equal(
        images.read_grey(tmp_path / "a.png"), images.read_grey(tmp_path / "grey.png")
    )


def test_16_bit_planes_that_no_decoder_takes_are_refused(tmp_path, monkeypatch):
    def fails(path):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr("skimage.io.imread", fails)
    write_deep(tmp_path / "a.tif", DEEP_RGB, "< separate none")
    with pytest.raises(FusionError, match=r"a\.tif stores its channels.*interleaved"):
        images.read_colour(tmp_path / "a.tif")


def test_a_damaged_16_bit_colour_file_is_named(tmp_path):
    whole = png_of(DEEP_RGB, 2)
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FusionError, match=r"a\.png.*replace"):
        images.read_grey(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_images_are_read_as_a_viewer_shows_them(tmp_path, suffix, orientation):
    shown = np.zeros((16, 24), np.uint8)
    shown[:8, :8] = 200  # bright above on the left
    # What each orientation asks a viewer to do, undone.
    turns = [
        lambda a: a,
        lambda a: a[:, ::-1],
        lambda a: a[::-1, ::-1],
        lambda a: a[::-1],
        lambda a: a.T,
        lambda a: np.rot90(a),
        lambda a: a[::-1, ::-1].T,
        lambda a: np.rot90(a, -1),
    ]
    stored = np.ascontiguousarray(turns[orientation - 1](shown))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    assert images.shape_of(path) == (1, 16, 24)
    for read in (images.read_grey, images.read_colour):
        assert np.abs(read(path)[0].numpy() * 255 - shown).max() < 3
    if suffix != ".jpg":
        assert np.array_equal(images.read_labels(path), shown)
        images.check_same_size(path, path)
    # 16-bit colour takes a way of its own.
    if suffix == ".tif":
        tifffile = pytest.importorskip("tifffile")
        deep = np.stack([stored.astype(np.uint16) * 257] * 3, 2)
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, deep, photometric="rgb", extratags=tag)
        assert images.shape_of(path) == (3, 16, 24)
        assert np.array_equal(images.read_levels(path)[..., 1], shown.astype(np.uint16) * 257)


def test_broken_exif_data_spoil_no_pixels(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=b"Exif\x00\x00nothing of that kind")
    assert torch.equal(images.read_grey(tmp_path / "a.png")[0] * 255, torch.tensor(GREY).float())
    assert images.shape_of(tmp_path / "a.png") == (1, 20, 30)
