"""Read, check, write and colour-convert images: 8 bits exist only here.

Inside the library an image is a float32 tensor (1 or 3, H, W) in [0, 1].
Files are turned into that form, and back, by the functions below alone.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from fusionlib import decoding
from fusionlib.errors import FusionError
from fusionlib.files import write_whole

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
)

_NOTE = "fusionlib"  # keyword of the text that `write` puts into a PNG file

# ITU-R BT.601 weights of red and blue in the luma; green has the rest.
_KR, _KB = 0.299, 0.114
# Pillow's mode L counts them in parts of 65,536.
_LUMA = (19595, 38470, 7471)
_STRIP = 1 << 20  # pixels that are recoloured at once


def files_by_name(folder: Path) -> dict[str, list[Path]]:
    """The image files of a folder by their names without suffix, in order.

    Hidden files and folders are passed over.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        is_image = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        if is_image and path.is_file():
            files.setdefault(path.stem, []).append(path)
    return files


def read_levels(path: str | Path) -> np.ndarray:
    """Read the levels that an image file stores, for `grey_levels` and `to_unit`.

    Alpha is dropped, and the image is turned as its EXIF orientation says, so
    that it is what a viewer shows. This holds for every `read_` here.

    Returns uint8 or uint16, (H, W) for grey and (H, W, 3) for colour.

    Raises:
        FusionError: the file is missing, damaged or no image, or its pixels
            are neither 8 nor 16 bits deep.
    """
    with decoding.opened(path) as image:
        return decoding.levels(image, path)


def grey_levels(levels: np.ndarray) -> np.ndarray:
    """Grey (H, W) of levels (H, W) or (H, W, 3), of the same depth.

    Colour becomes grey as in Pillow's mode L: BT.601 luma, rounded half up.
    """
    if levels.ndim == 2:
        return levels
    if levels.dtype == np.uint8:
        return np.asarray(Image.fromarray(levels).convert("L"))
    luma = levels[..., 0] * np.uint32(_LUMA[0])
    for channel in (1, 2):
        luma += levels[..., channel] * np.uint32(_LUMA[channel])
    luma += np.uint32(1 << 15)  # the sum stays below 2^32
    luma >>= 16
    return luma.astype(np.uint16)


def to_unit(levels: np.ndarray, bits: int = 16) -> Tensor:
    """Levels (H, W) or (H, W, 3) as float32 (1 or 3, H, W) in [0, 1].

    Args:
        levels: uint8, divided by 255, or uint16, divided by 2^bits - 1.
        bits: of uint16 levels; sensors often give 12 or 14.
    """
    values = levels.astype(np.float32)
    values /= 255 if levels.dtype == np.uint8 else 2**bits - 1
    pixels = torch.from_numpy(values)
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous()


def read_grey(path: str | Path) -> Tensor:
    """Read an image file as grey: float32 (1, H, W) in [0, 1].

    Colour becomes grey as in Pillow's mode L: BT.601 luma, rounded to the
    file's depth. 8-bit values are divided by 255, 16-bit ones by 65535.

    Raises:
        FusionError: as `read_levels`.
    """
    return to_unit(grey_levels(read_levels(path)))


def read_colour(path: str | Path) -> Tensor:
    """Read an image file as RGB: float32 (3, H, W) in [0, 1].

    Grey is repeated in the three channels.

    Raises:
        FusionError: as `read_levels`.
    """
    pixels = to_unit(read_levels(path))
    return pixels.expand(3, -1, -1).contiguous()


def read_labels(path: str | Path) -> Tensor:
    """Read a map of class numbers: int64 (H, W), the stored values unscaled.

    Raises:
        FusionError: the file is damaged, or colours stand for the classes.
    """
    with decoding.opened(path) as image:
        decoding.turn_upright(image)
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
    with decoding.opened(path) as image:
        return decoding.shape(image)


def check_same_size(first: str | Path, second: str | Path) -> None:
    """Raise FusionError unless two image files have one size (headers only)."""
    sizes = []
    for path in (first, second):
        _, height, width = shape_of(path)
        sizes.append(f"{width}x{height}")
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
    return levels.add_(0.5).floor_().clamp_(0, 255)


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
    grey = (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b + (1 << 15)) >> 16
    return (grey.to(rgb.dtype) / 255).unsqueeze(-3)


def write(path: str | Path, image: Tensor, note: str | None = None) -> None:
    """Write an image file with 8 bits a channel, whole or not at all.

    Args:
        path: its suffix sets the format; its folder is made where missing.
        image: (1 or 3, H, W) in [0, 1]; clipped and rounded half up. Or 8-bit
            levels (uint8), stored as they are.
        note: text that a PNG file carries for `note_of`, in ASCII; other
            formats have no place for it.

    Raises:
        FusionError: a bad shape, an unknown suffix, NaN, or a full disk.
    """
    path = Path(path)
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise FusionError(
            f"{path} needs an image of shape (1 or 3, H, W), not {tuple(image.shape)}."
        )
    kind = kind_of(path)
    levels = image.numpy() if image.dtype == torch.uint8 else to_uint8(image)
    levels = levels.transpose(1, 2, 0)
    picture = Image.fromarray(levels if levels.shape[2] == 3 else levels[..., 0])
    options = {"format": kind, "quality": 95}  # the quality matters to JPEG alone
    if note is not None:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text(_NOTE, note)
    write_whole(path, lambda beside: picture.save(beside, **options))


def kind_of(path: str | Path) -> str:
    """The format that an image is written in under this name, such as "PNG".

    Raises:
        FusionError: no format that can be written has this suffix.
    """
    suffix = Path(path).suffix.lower()
    # Pillow writes many more, some of them at another size or with fewer levels.
    if suffix not in IMAGE_SUFFIXES:
        raise FusionError(f"{path} has no image suffix that can be written: use .png.")
    return Image.registered_extensions()[suffix]


def note_of(path: str | Path) -> str | None:
    """The note that `write` left in a PNG file; None in any other file."""
    try:
        with decoding.opened(path) as image:
            return image.info.get(_NOTE)
    except FusionError:
        return None


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


def recolour(grey: Tensor, levels: np.ndarray, bits: int = 16) -> Tensor:
    """A fused grey image with the chroma of the visible image.

    Y of full-range BT.601 is replaced and Cb and Cr are kept; where the
    result leaves RGB it is clipped, channel by channel.

    Args:
        grey: (1, H, W) in [0, 1].
        levels: visible image as `read_levels` gives it, of this size.
        bits: of levels in 16 bits, see `to_unit`.

    Returns uint8 (3, H, W), rounded half up.
    """
    _, height, width = grey.shape
    result = torch.empty(3, height, width, dtype=torch.uint8)
    # In strips, because the steps between need many times the memory of the image.
    rows = max(1, _STRIP // width)
    for strip in (slice(top, top + rows) for top in range(0, height, rows)):
        ycbcr = rgb_to_ycbcr(to_unit(levels[strip], bits).expand(3, -1, -1))
        ycbcr[0] = grey[0, strip]
        result[:, strip] = torch.from_numpy(to_uint8(ycbcr_to_rgb(ycbcr)))
    return result
