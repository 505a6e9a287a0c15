"""Read, check, write and colour-convert images: 8 bits exist only here.

Inside the library an image is a float32 tensor (1 or 3, H, W) in [0, 1].
Files are turned into that form, and back, by the functions below alone.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.files import write_whole

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
)

# What Pillow's decoders raise on damaged files, one kind a format.
_DAMAGED = (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error)
_DAMAGED += (Image.DecompressionBombError,)

# ITU-R BT.601 weights of red and blue in the luma; green has the rest.
_KR, _KB = 0.299, 0.114


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong, also while decoding, names it."""
    try:
        with Image.open(path) as image:
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


def _pixels(image: Image.Image, colour: bool, path: str | Path) -> Tensor:
    """Decoded pixels (1 or 3, H, W) in [0, 1]."""
    if image.mode.startswith("I"):  # 16-bit grey; Pillow has no deeper colour than 8 bits
        values, top = np.asarray(image), 65535
        if values.min() < 0 or values.max() > top:
            raise FusionError(
                f"{path} holds values outside 0..{top}: save it with 8 or 16 bits a pixel."
            )
    elif image.mode == "F":
        raise FusionError(
            f"{path} holds floating-point pixels of unknown range: save it with 8 or 16 bits."
        )
    else:
        # By way of RGB, because Pillow turns some modes (palette) into grey by other rules.
        if image.mode not in ("1", "L"):
            image = image.convert("RGB")
        values, top = np.asarray(image.convert("RGB" if colour else "L")), 255
    pixels = torch.from_numpy(values.astype(np.float32) / top)
    if pixels.ndim == 3:
        return pixels.permute(2, 0, 1).contiguous()
    return pixels.expand(3 if colour else 1, -1, -1).contiguous()


def read_grey(path: str | Path) -> Tensor:
    """Read an image file as grey: float32 (1, H, W) in [0, 1].

    Colour becomes grey as in Pillow's mode L: BT.601 luma, rounded to 8 bits.
    8-bit values are divided by 255, 16-bit grey by 65535. Alpha is dropped.

    Raises:
        FusionError: the file is missing, damaged or no image.
    """
    with _opened(path) as image:
        return _pixels(image, False, path)


def read_colour(path: str | Path) -> Tensor:
    """Read an image file as RGB: float32 (3, H, W) in [0, 1].

    Grey is repeated in the three channels. Colour of 16 bits a channel is read
    at 8 bits, which is all that Pillow decodes.

    Raises:
        FusionError: the file is missing, damaged or no image.
    """
    with _opened(path) as image:
        return _pixels(image, True, path)


def read_labels(path: str | Path) -> Tensor:
    """Read a map of class numbers: int64 (H, W), the stored values unscaled.

    Raises:
        FusionError: the file is damaged, or colours stand for the classes.
    """
    with _opened(path) as image:
        values = np.asarray(image).astype(np.int64)
    if values.ndim == 3:
        if (values[..., :3] != values[..., :1]).any():
            raise FusionError(
                f"{path} shows classes as colours: store class numbers in one channel."
            )
        values = values[..., 0].copy()
    return torch.from_numpy(values)


def shape_of(path: str | Path) -> tuple[int, int, int]:
    """Channels (1 grey, 3 colour), height and width of an image file.

    Only its header is read, so the pixels may still turn out damaged.

    Raises:
        FusionError: the file is missing or no image.
    """
    with _opened(path) as image:
        grey = Image.getmodebase(image.mode) == "L"
        return 1 if grey else 3, image.height, image.width


def check_same_size(first: str | Path, second: str | Path) -> None:
    """Raise FusionError unless two image files have one size (headers only)."""
    sizes = []
    for path in (first, second):
        with _opened(path) as image:
            sizes.append("{}x{}".format(*image.size))
    if sizes[0] != sizes[1]:
        raise FusionError(
            f"The images of a pair must have one size, but {first} is {sizes[0]} and "
            f"{second} is {sizes[1]} (width x height): register and crop them first."
        )


def read_pair(
    ir_path: str | Path, vi_path: str | Path, colour: bool = False
) -> tuple[Tensor, Tensor]:
    """Read an infrared and a visible image of the same size.

    Args:
        ir_path: infrared file, read as grey.
        vi_path: visible file.
        colour: whether the visible image is read as RGB.

    Returns:
        ir (1, H, W) and vi (1, H, W), or (3, H, W) in colour; in [0, 1].

    Raises:
        FusionError: a file cannot be read, or the sizes differ.
    """
    check_same_size(ir_path, vi_path)
    return read_grey(ir_path), (read_colour if colour else read_grey)(vi_path)


def to_uint8(image: Tensor) -> np.ndarray:
    """8-bit levels of values in [0, 1]: clipped, rounded half up, shape kept.

    Raises:
        FusionError: a value is NaN.
    """
    return _levels(image.cpu().float()).to(torch.uint8).numpy()


def _levels(image: Tensor) -> Tensor:
    levels = image.detach() * 255
    if levels.isnan().any():
        raise FusionError("An image holds NaN: look for the step that made it.")
    return (levels + 0.5).floor().clamp(0, 255)


def quantise(image: Tensor) -> Tensor:
    """Round values in [0, 1] to 8-bit levels k/255: float32, on the CPU."""
    return torch.from_numpy(to_uint8(image)).float() / 255


def grey_of(rgb: Tensor) -> Tensor:
    """Grey (..., 1, H, W) of RGB (..., 3, H, W): what `read_grey` gives for its file.

    Values are rounded to 8 bits before, and the BT.601 luma after; same dtype
    and device. No gradient passes.

    Raises:
        FusionError: a value is NaN.
    """
    r, g, b = _levels(rgb).int().unbind(-3)
    # Pillow's mode L counts the luma in parts of 65,536, and rounds half up.
    grey = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
    return (grey.to(rgb.dtype) / 255).unsqueeze(-3)


def write(path: str | Path, image: Tensor) -> None:
    """Write an image file with 8 bits a channel, whole or not at all.

    Args:
        path: its suffix sets the format; its folder is made where missing.
        image: (1 or 3, H, W) in [0, 1]; clipped and rounded half up.

    Raises:
        FusionError: a bad shape, an unknown suffix, NaN, or a full disk.
    """
    path = Path(path)
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise FusionError(
            f"{path} needs an image of shape (1 or 3, H, W), not {tuple(image.shape)}."
        )
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise FusionError(f"{path} has no image suffix that can be written: use .png.")
    levels = to_uint8(image).transpose(1, 2, 0)
    picture = Image.fromarray(levels if levels.shape[2] == 3 else levels[..., 0])
    # The quality matters to JPEG alone.
    write_whole(path, lambda beside: picture.save(beside, format=kind, quality=95))


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Full-range YCbCr (..., 3, H, W) of RGB (..., 3, H, W), both in [0, 1].

    Cb and Cr are 0.5 where there is no colour. Source: ITU-R BT.601, without
    the studio offsets (as in JFIF).
    """
    r, g, b = rgb.unbind(-3)
    y = _KR * r + (1 - _KR - _KB) * g + _KB * b
    cb = (b - y) / (2 * (1 - _KB)) + 0.5
    cr = (r - y) / (2 * (1 - _KR)) + 0.5
    return torch.stack((y, cb, cr), -3)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Inverse of `rgb_to_ycbcr`; not clipped, so it may leave [0, 1]."""
    y, cb, cr = ycbcr.unbind(-3)
    r = y + 2 * (1 - _KR) * (cr - 0.5)
    b = y + 2 * (1 - _KB) * (cb - 0.5)
    g = (y - _KR * r - _KB * b) / (1 - _KR - _KB)
    return torch.stack((r, g, b), -3)
