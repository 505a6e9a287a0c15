"""Decode an image file into the levels that it stores, 8 or 16 bits deep."""

import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fusionlib.errors import FusionError

# What Pillow's decoders raise on damaged files, one kind a format.
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error)
_DAMAGED += (Image.DecompressionBombError,)

# Of a channel's two bytes Pillow keeps the upper one. Its raw mode says which one that is, so that
# under the raw mode of the other byte order it keeps the lower one.
_LOWER = {
    **{f"{mode};16B": f"{mode};16L" for mode in ("RGB", "RGBA", "RGBX")},
    **{f"{mode};16L": f"{mode};16B" for mode in ("RGB", "RGBA", "RGBX")},
    **{f"{mode};16N": f"{mode};16{'BL'[sys.byteorder == 'big']}" for mode in ("RGB", "RGBA")},
    "LA;16B": "RGBA",  # all four bytes, upper and lower in turn
}
_DEPTH, _PLANAR = 258, 284  # TIFF's tags BitsPerSample and PlanarConfiguration


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong, also while decoding, names it.

    Raises:
        FusionError: the file is missing, damaged or no image.
    """
    try:
        # Not by its path: Pillow would map the file into memory, and turns some TIFF files wrongly.
        with Path(path).open("rb") as file, Image.open(file) as image:
            # Transparency is dropped, also the kind that Pillow keeps beside the pixels.
            image.info.pop("transparency", None)
            yield image
    except FileNotFoundError:
        raise FusionError(f"There is no image file {path}: check its name.") from None
    except _DAMAGED as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no image format that Pillow knows" if unknown else error
        raise FusionError(
            f"{path} cannot be read as an image ({reason}): replace or remove the file."
        ) from None


def shape(image: Image.Image) -> tuple[int, int, int]:
    """Channels (1 grey, 3 colour), height and width, upright; reads no pixels."""
    grey = Image.getmodebase(image.mode) == "L" or _raw_mode(image) == "LA;16B"
    width, height = image.size
    if _orientation(image) in (5, 6, 7, 8):
        width, height = height, width
    return 1 if grey else 3, height, width


def turn_upright(image: Image.Image) -> None:
    """Turn the pixels as a viewer shows them, by the orientation in the EXIF data."""
    if _orientation(image) != 1:
        ImageOps.exif_transpose(image, in_place=True)


def levels(image: Image.Image, path: str | Path) -> np.ndarray:
    """The stored levels of an opened file, upright, without alpha.

    Returns uint8 or uint16, (H, W) for grey and (H, W, 3) for colour.

    Raises:
        FusionError: pixels that are neither 8 nor 16 bits deep.
    """
    if image.mode.startswith("I"):
        turn_upright(image)
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise FusionError(
                f"{path} holds values outside 0..65535: save it with 8 or 16 bits a pixel."
            )
        return values.astype(np.uint16)
    if image.mode == "F":
        raise FusionError(
            f"{path} holds floating-point pixels of unknown range: save it with 8 or 16 bits."
        )
    raw_mode = _raw_mode(image)
    if raw_mode == "planes":
        return _deep_planes(image, path)
    if raw_mode in _LOWER:
        return _deep_colour(image, path)
    mode = "L" if shape(image)[0] == 1 else "RGB"
    turn_upright(image)
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _deep_colour(image: Image.Image, path: str | Path) -> np.ndarray:
    """16 bits a channel, of which Pillow by itself gives 8."""
    interleaved = _raw_mode(image) == "LA;16B"  # known before decoding only
    with opened(path) as other:
        # `tile` says how the pixels are stored: (decoder, place, offset, raw mode or a tuple).
        other.tile = [tile._replace(args=_lower(tile.args)) for tile in other.tile]
        turn_upright(other)
        low = np.asarray(other)
    if interleaved:
        return low[..., 0].astype(np.uint16) << 8 | low[..., 1]
    turn_upright(image)
    values = np.asarray(image)[..., :3].astype(np.uint16)
    values <<= 8
    values |= low[..., :3]
    return values


def _deep_planes(image: Image.Image, path: str | Path) -> np.ndarray:
    """16 bits a channel, one after the other, which Pillow may take for 8 bits."""
    from skimage.io import imread

    *_, height, width = shape(image)
    try:
        if image.tag_v2.get(ExifTags.Base.Orientation, 1) != 1:
            raise ValueError
        values = imread(path)  # by tifffile, which decodes fewer compressions than Pillow
    except ValueError:
        raise FusionError(
            f"{path} stores its channels one after the other in a way that is not read: save it "
            "with interleaved channels or as PNG."
        ) from None
    if values.shape[:2] != (height, width):
        values = np.moveaxis(values, 0, 2)
    return np.ascontiguousarray(values[..., :3])


def _lower(args):
    return _LOWER[args] if isinstance(args, str) else (_LOWER[args[0]], *args[1:])


def _raw_mode(image: Image.Image) -> str | None:
    """How a PNG or TIFF file stores its pixels, in Pillow's words."""
    if image.format not in ("PNG", "TIFF") or not image.tile:
        return None
    if image.format == "TIFF" and image.tag_v2.get(_PLANAR) == 2 and image.mode[:3] == "RGB":
        return "planes" if max(image.tag_v2.get(_DEPTH, (8,))) == 16 else None
    args = image.tile[0].args
    return args if isinstance(args, str) else args[0]


def _orientation(image: Image.Image) -> int:
    if "exif" not in image.info:  # TIFF has none there: Pillow turns it by itself
        return 1
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGED:
        return 1  # broken metadata spoil no pixels
