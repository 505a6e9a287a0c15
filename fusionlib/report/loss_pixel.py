"""The loss of Eq. 5 as a function of one fused grey level, and where it is lowest.

All other pixels stay as they are. What changes lies within reach of a window
of SSIM, so a small region around the place tells the change of the whole
image's loss exactly. That holds for the form "paper"; the released form lets
every pixel change the ranges and means of all.
"""

import math
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import mix
from fusionlib.report.loss_maps import apart

REACH = 10  # pixels: a window of 11 that holds the place ends so far from it
PAPER = BSPLoss(form="paper")


@dataclass(frozen=True)
class Place:
    """A square of `side` pixels around the pixel (y, x), which moves as one.

    Raises FusionError for an even side, and where it leaves an image of `size`
    (height, width).
    """

    y: int
    x: int
    side: int = 1
    size: tuple[int, int] = (1 << 30, 1 << 30)

    def __post_init__(self):
        half, (height, width) = self.side // 2, self.size
        if self.side < 1 or self.side % 2 == 0:
            raise FusionError(f"The side of a place is odd, 1, 3, 5, ..., not {self.side}.")
        if not (half <= self.y < height - half and half <= self.x < width - half):
            raise FusionError(
                f"Pixel {self.y}, {self.x} with a side of {self.side} leaves the image of"
                f" {height}x{width}: choose another."
            )

    @property
    def square(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return self._around(self.side // 2)

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of all that can change with it, as far as the image goes."""
        return self._around(REACH + self.side // 2)

    def within(self, region: tuple[slice, slice]) -> tuple[slice, slice]:
        """Its rows and columns, counted in a region."""
        return tuple(
            slice(own.start - part.start, own.stop - part.start)
            for own, part in zip(self.square, region, strict=True)
        )

    def _around(self, radius: int) -> tuple[slice, slice]:
        return tuple(
            slice(max(0, middle - radius), min(length, middle + radius + 1))
            for middle, length in zip((self.y, self.x), self.size, strict=True)
        )


def with_level(image: Tensor, place: Place, level: float) -> Tensor:
    """The image (1, H, W) with its square moved as one, so that the pixel has this level."""
    moved = image.clone()
    moved[0][place.square] += level - image[0, place.y, place.x]
    return moved


def curves(fused: Tensor, ir: Tensor, vi: Tensor, place: Place, levels: Tensor) -> pd.DataFrame:
    """The loss as a function of the fused level at a place.

    Args:
        fused, ir, vi: (1, H, W) in [0, 1].
        place: a pixel, or a square whose pixels all move with it.
        levels: (K,) grey levels of its middle.

    Returns a table indexed by `level`: the terms, each times its factor, and
    `total`: what the whole image's loss gains against the image as it is,
    times its number of pixels.
    """
    tried = _tried(fused, place, torch.cat((levels, fused[:, place.y, place.x])))
    rows, columns = place.region
    sources = (x[:, rows, columns].expand_as(tried) for x in (ir, vi))
    terms = apart(PAPER, tried, *sources)
    pixels = tried[0].numel()
    change = {name: pixels * (values[:-1] - values[-1]) for name, values in terms.items()}
    change |= {name: getattr(PAPER, name) * change[name] for name in change if name != "total"}
    table = pd.DataFrame({name: values.tolist() for name, values in change.items()})
    return table.set_index(pd.Index(levels.tolist(), name="level"))


def lowest_intensity(fused: Tensor, ir: Tensor, vi: Tensor, place: Place) -> float:
    """The level at a place at which the intensity term is lowest, in closed form.

    Of one pixel it is the mixture of Eq. 2, since |O - m| is 0 there. Of a
    square that moves as one the sum of |O + d - m| is lowest at the median of
    m - O.
    """
    ahead = (mix(ir, vi) - fused)[0][place.square]
    return (fused[0, place.y, place.x] + ahead.median()).item()


def dip(visible: float) -> tuple[float, float]:
    """The infrared level at which the mixture with a visible level is darkest, and that mixture.

    (a^2 + b^2) / (a + b) falls until a = (sqrt(2) - 1) b, where it is
    2 (sqrt(2) - 1) b, and rises from there on; at a = 0 and at a = b it is b.
    """
    share = math.sqrt(2) - 1
    return share * visible, 2 * share * visible


def by_infrared(
    fused: Tensor, ir: Tensor, vi: Tensor, place: Place, infrared: Tensor, levels: Tensor
) -> pd.DataFrame:
    """Where the loss is lowest, for several infrared levels at a place.

    Returns a table indexed by `infrared`: the lowest `intensity`, in closed
    form, and the lowest `total` among `levels`.
    """
    region = place.region
    tried = _tried(fused, place, levels)
    warmer = [with_level(ir, place, level) for level in infrared.tolist()]
    many = torch.cat([x[:, *region].expand_as(tried) for x in warmer])
    repeated = tried.repeat(len(warmer), 1, 1, 1)
    totals = apart(PAPER, repeated, many, vi[:, *region].expand_as(repeated))["total"]
    best = levels[totals.view(len(warmer), -1).argmin(1)]
    closed = [lowest_intensity(fused, x, vi, place) for x in warmer]
    index = pd.Index(infrared.tolist(), name="infrared")
    return pd.DataFrame({"intensity": closed, "total": best.tolist()}, index)


def _tried(fused: Tensor, place: Place, levels: Tensor) -> Tensor:
    """The region around a place (K, 1, h, w), its square moved to each of the levels (K,)."""
    region = place.region
    tried = fused[:, *region].repeat(len(levels), 1, 1, 1)
    rows, columns = place.within(region)
    tried[:, :, rows, columns] += (levels - fused[0, place.y, place.x])[:, None, None, None]
    return tried
