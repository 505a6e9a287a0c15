"""What is in a folder of images: sizes, depths, grey levels, and the patches that they give."""

from pathlib import Path

import numpy as np
import pandas as pd

from fusionlib import images
from fusionlib.data.base import grid
from fusionlib.data.datasets import open_images
from fusionlib.errors import FusionError


def survey(folder: str | Path, patch: int = 128, stride: int | None = None) -> pd.DataFrame:
    """Read every image of a folder once, and say what training would get of it.

    Args:
        folder: images of one modality, of any sizes.
        patch, stride: side of a patch and distance between two, in pixels; None
            cuts without overlap.

    Returns a row an image: image (the file's name), width, height, colour,
    bits ("8", "16", or "12 of 16" where 12 are used), darkest, mean and
    brightest (grey levels 0..255), patches. `attrs["passed_over"]` lists the
    names of what else is in the folder.

    Raises FusionError as `open_images`, and for the first image that is
    damaged or smaller than a patch.
    """
    found = open_images(folder)
    rows = [_row(pair.vi_path, patch, stride or patch) for pair in found]
    table = pd.DataFrame(rows)
    others = {path.name for path in Path(folder).expanduser().iterdir()} - set(table["image"])
    table.attrs["passed_over"] = sorted(others)
    return table


def _row(path: Path, patch: int, stride: int) -> dict:
    levels = images.read_levels(path)
    height, width = levels.shape[:2]
    if min(height, width) < patch:
        raise FusionError(
            f"{path} is {width}x{height} (width x height), smaller than a patch of {patch}: leave"
            " the image out or take smaller patches."
        )
    grey = images.to_uint8(images.to_unit(images.grey_levels(levels)))
    return {
        "image": path.name,
        "width": width,
        "height": height,
        "colour": levels.ndim == 3,
        "bits": _bits(levels),
        "darkest": int(grey.min()),
        "mean": float(grey.mean()),
        "brightest": int(grey.max()),
        "patches": int(np.prod(grid(height, width, patch, stride))),
    }


def _bits(levels: np.ndarray) -> str:
    """The depth of the file and, of 16 bits, how many its largest value takes."""
    if levels.dtype == np.uint8:
        return "8"
    used = int(levels.max()).bit_length()
    return "16" if used == 16 else f"{used} of 16"
