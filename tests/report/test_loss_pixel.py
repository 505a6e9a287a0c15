"""The loss of one pixel: curves against the whole image, and minima in closed form."""

import pytest
import torch

from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import mix
from fusionlib.report import loss_pixel
from fusionlib.report.loss_pixel import Place

SIZE = (64, 96)
LOSS = BSPLoss(form="paper")


@pytest.fixture(scope="module")
def images():
    pair = open_pairs("scenes", "test", names=["0000D"], size=SIZE)[0]
    return (pair.ir + pair.vi) / 2, pair.ir, pair.vi


def whole(fused, ir, vi):
    terms = LOSS(fused[None], ir[None], vi[None])
    return {name: fused.numel() * value.item() for name, value in terms.items()}


@pytest.mark.parametrize("place", [(30, 40, 1), (0, 95, 1), (33, 21, 7), (2, 50, 5)])
def test_a_curve_is_the_change_of_the_whole_images_loss(images, place):
    fused, ir, vi = images
    place = Place(*place, size=SIZE)
    levels = torch.tensor([0.05, 0.5, 0.9])
    curves = loss_pixel.curves(fused, ir, vi, place, levels)
    before = whole(*images)
    for level, row in zip(levels.tolist(), curves.itertuples(), strict=True):
        moved = loss_pixel.with_level(fused, place, level)
        assert moved[0, place.y, place.x].item() == pytest.approx(level)
        assert (moved != fused).sum() <= place.side**2
        after = whole(moved, ir, vi)
        assert row.total == pytest.approx(after["total"] - before["total"], abs=0.02)
        gradient = after["gradient"] - before["gradient"]
        assert row.gradient == pytest.approx(gradient, abs=0.02)
        ssim = 0.2 * (after["ssim"] - before["ssim"])
        assert row.ssim == pytest.approx(ssim, abs=0.02)
    assert curves["total"].abs().min() > 0.1


@pytest.mark.parametrize("side", [1, 3, 15])
def test_the_closed_form_is_where_the_curve_is_lowest(images, side):
    fused, ir, vi = images
    levels = torch.linspace(0, 1, 501)
    for y, x in ((20, 30), (50, 70)):
        place = Place(y, x, side, SIZE)
        found = loss_pixel.curves(fused, ir, vi, place, levels)["intensity"].idxmin()
        closed = loss_pixel.lowest_intensity(fused, ir, vi, place)
        assert found == pytest.approx(closed, abs=1 / 500)
        if side == 1:
            assert closed == pytest.approx(mix(ir, vi)[0, y, x].item(), abs=1e-6)


def test_the_dip_is_where_the_mixture_is_darkest():
    levels = torch.linspace(0, 1, 4001)
    for visible in (0.2, 0.5, 1.0):
        mixture = mix(levels, torch.full_like(levels, visible))
        level, darkest = loss_pixel.dip(visible)
        assert level == pytest.approx(levels[mixture.argmin()].item(), abs=2e-3)
        assert darkest == pytest.approx(mixture.min().item(), abs=1e-5)
        assert darkest < visible
    assert loss_pixel.dip(0.0) == (0, 0)


def test_the_lowest_point_follows_the_infrared(images):
    fused, ir, vi = images
    place = Place(40, 50, 1, SIZE)
    infrared, levels = torch.tensor([0.0, 0.3, 0.9]), torch.linspace(0, 1, 41)
    moves = loss_pixel.by_infrared(fused, ir, vi, place, infrared, levels)
    expected = mix(infrared, vi[0, 40, 50].expand(3)).tolist()
    assert moves["intensity"].tolist() == pytest.approx(expected)
    warm = loss_pixel.with_level(ir, place, 0.9)
    alone = loss_pixel.curves(fused, warm, vi, place, levels)["total"].idxmin()
    assert moves.loc[moves.index[2], "total"] == pytest.approx(alone)
    assert moves["total"].iloc[2] > moves["total"].iloc[0]


def test_places_that_are_none_are_refused():
    with pytest.raises(FusionError, match="odd"):
        Place(5, 5, 2, SIZE)
    with pytest.raises(FusionError, match="leaves the image of 64x96"):
        Place(1, 5, 7, SIZE)
    with pytest.raises(FusionError, match="leaves the image"):
        Place(64, 5, 1, SIZE)
