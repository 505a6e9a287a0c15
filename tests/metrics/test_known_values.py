"""What each metric must say about images whose score is known without computing."""

import math

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from fusionlib import metrics
from fusionlib.metrics import METRICS, colour
from tests.metrics import parity
from tests.metrics.cases import CASES

DTYPES = pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
GREY = [name for name in METRICS if name != "ΔE"]


def flat(*levels, dtype=torch.float64, size=(161, 170), channels=1):
    """Constant images (2, channels, H, W) of these levels."""
    return [torch.full((2, channels, *size), level / 255, dtype=dtype) for level in levels]


def quarters(*levels, dtype=torch.float64):
    """An image (1, 1, 8, 8) whose four quarters have these levels, row by row."""
    blocks = torch.tensor(levels, dtype=dtype).view(1, 1, 2, 2) / 255
    return blocks.repeat_interleave(4, -1).repeat_interleave(4, -2)


@DTYPES
def test_a_perfect_copy_of_equal_sources(dtype):
    image = parity.images(dtype, 161, 170)[1]
    values = metrics.score(image, image, image, metrics=GREY)
    ones = torch.ones(3, dtype=dtype)
    for name in ("SSIM", "MS-SSIM", "VIF", "NMI"):
        torch.testing.assert_close(values[name], 2 * ones)
    for name in ("CC", "Qcb"):
        torch.testing.assert_close(values[name], ones)
    # All information is kept: each source shares the fused image's whole entropy, here in nats.
    torch.testing.assert_close(values["MI"], 2 * math.log(2) * values["EN"])
    # Strength kept g_F (as good as 1), orientation kept 1: the sigmoids' ceilings.
    best = 0.9994 * 0.9879 / (1 + math.exp(-22 * 0.2))
    torch.testing.assert_close(values["Qabf"], best * ones, rtol=1e-5, atol=0)
    for name in ("CE", "MSE", "Qcv", "SCD"):  # SCD: without one source nothing is left
        assert values[name].tolist() == [0, 0, 0], name
    assert values["PSNR"].tolist() == [math.inf] * 3
    assert metrics.nmi(image, image, image, "sources").tolist() == pytest.approx([2, 2, 2])


@DTYPES
def test_one_source_kept_and_the_other_black(dtype):
    source = parity.images(dtype, 161, 170)[1]
    black = torch.zeros_like(source)
    values = metrics.score(source, source, black, metrics=GREY)
    torch.testing.assert_close(values["MI"], math.log(2) * values["EN"])
    torch.testing.assert_close(values["NMI"], torch.ones(3, dtype=dtype))
    torch.testing.assert_close(values["VIF"], torch.full((3,), 2, dtype=dtype))
    assert (values["Qabf"] > 0.97).all()  # the black source has no edge, so no say
    assert values["Qcv"].tolist() == [0, 0, 0]
    torch.testing.assert_close(values["Qcb"], torch.ones(3, dtype=dtype))
    # A window is like black only where it is itself dark, as a part of the second image is.
    assert (values["SSIM"] >= 1).all()
    assert (values["SSIM"] < 1.3).all()
    torch.testing.assert_close(values["CC"], torch.full((3,), 0.5, dtype=dtype))
    torch.testing.assert_close(values["SCD"], torch.ones(3, dtype=dtype))
    power = (source * 255).square().mean((1, 2, 3))
    torch.testing.assert_close(values["MSE"], power / 2)


@DTYPES
@pytest.mark.parametrize(
    "levels", [(0, 0, 0), (93, 0, 255), (200, 200, 200), (0, 31, 7), (31, 31, 0)], ids=str
)
def test_constant_images_give_finite_scores(levels, dtype):
    values = metrics.score(*flat(*levels, dtype=dtype), metrics=GREY)
    same, black = len(set(levels)) == 1, levels[0] == 0
    for name, value in values.items():
        if name == "PSNR" and same:
            assert (value == math.inf).all()  # no error at all
        elif name == "PSNR" and black:
            assert (value == -math.inf).all()  # the fused image's own peak is 0
        else:
            assert value.isfinite().all(), name
    torch.testing.assert_close(values["VIF"], torch.full((2,), 2, dtype=dtype))  # nothing to lose
    for name in ("EN", "SD", "SF", "AG", "EI", "MI", "NMI", "SCD", "CC", "Qcv", "CE"):
        assert values[name].tolist() == [0, 0], name
    assert values["Qcb"].tolist() == [1, 1]
    errors = [(levels[0] - level) ** 2 for level in levels[1:]]
    assert values["MSE"].tolist() == pytest.approx([sum(errors) / 2] * 2, rel=1e-6)
    if black and same:
        assert values["Qabf"].tolist() == [0, 0]
    for name, case in CASES.items():
        if case.name not in ("ΔE", "PSNR"):
            assert case(*flat(*levels, dtype=dtype, size=(176, 177))).isfinite().all(), name


@DTYPES
def test_entropy_counts_levels(dtype):
    levels = torch.arange(64 * 64, dtype=dtype).view(1, 1, 64, 64)
    images = torch.cat([levels % 256 / 255, levels % 2, levels * 0])
    torch.testing.assert_close(metrics.en(images), torch.tensor([8, 1, 0], dtype=dtype))


def test_histograms_round_to_the_nearest_level():
    near = torch.tensor([0.4, 1.4, 1.6, 254.6]).div(255).view(1, 1, 2, 2)  # levels 0, 1, 2, 255
    assert metrics.en(near).item() == pytest.approx(2)
    assert metrics.en(near[..., :1, :] * 0.7).item() == pytest.approx(1)  # 0.28, 0.98 -> 0, 1


@DTYPES
def test_information_of_four_quarters(dtype):
    top, left = quarters(0, 0, 9, 9, dtype=dtype), quarters(0, 7, 0, 7, dtype=dtype)
    both = quarters(0, 80, 160, 255, dtype=dtype)
    # One bit from each source, two bits in the fused image.
    assert metrics.mi(both, top, left, base="2").item() == pytest.approx(2)
    assert metrics.nmi(both, top, left).item() == pytest.approx(4 / 3)
    assert metrics.nmi(both, top, left, "sources").item() == pytest.approx(2)
    # The sources are independent of each other.
    assert metrics.mi(top, top, left, base="2").item() == pytest.approx(1)
    assert metrics.nmi(top, top, left).item() == pytest.approx(1)
    assert metrics.mi(top, left, left).item() == pytest.approx(0, abs=1e-6)


def test_stretching_moves_8_bit_levels_but_joins_none():
    batch = parity.images(torch.float64)
    plain, stretched = (metrics.mi(*batch, stretch=stretch) for stretch in (False, True))
    torch.testing.assert_close(plain, stretched, rtol=1e-12, atol=0)
    # Off the 8-bit grid, a stretch tells apart what rounding would join.
    faint = quarters(100, 100.1, 100.2, 100.3)
    assert metrics.mi(faint, faint, faint, base="2").item() == 0
    assert metrics.mi(faint, faint, faint, base="2", stretch=True).item() == pytest.approx(4)


@DTYPES
def test_cross_entropy_of_two_levels(dtype):
    # A quarter against a half at level 0, three quarters against a half at level 255.
    fused, source = quarters(0, 255, 0, 255, dtype=dtype), quarters(0, 255, 255, 255, dtype=dtype)
    divergence = 0.25 * math.log2(0.25 / 0.5) + 0.75 * math.log2(0.75 / 0.5)
    assert metrics.ce(fused, source, source).item() == pytest.approx(divergence)
    assert metrics.ce(fused, source, fused).item() == pytest.approx(divergence / 2)
    # Half of the source at level 100, which the fused image lacks: only level 0 counts.
    lacking = quarters(0, 100, 0, 100, dtype=dtype)
    assert metrics.ce(source, lacking, lacking).item() == pytest.approx(0.5 * math.log2(0.5 / 0.25))


@DTYPES
def test_sharpness_of_a_ramp(dtype):
    # One level a pixel to the right; the image is 10 high and 20 wide.
    ramp = torch.arange(20, dtype=dtype).div(255).expand(1, 1, 10, 20)
    assert metrics.sf(ramp).item() == pytest.approx(1)
    assert metrics.sf(ramp, divisor="pixels").item() == pytest.approx(math.sqrt(19 / 20))
    assert metrics.ag(ramp).item() == pytest.approx(math.sqrt(1 / 2))
    assert metrics.ag(ramp, divisor="inner").item() == pytest.approx(
        math.sqrt(1 / 2) * 200 / (9 * 19)
    )
    # Sobel's weights add up to 4 on either side, two pixels apart; half of it at the two borders.
    assert metrics.ei(ramp).item() == pytest.approx((18 * 8 + 2 * 4) / 20)


@DTYPES
def test_sharpness_of_a_checkerboard(dtype):
    places = torch.arange(8)
    board = ((places + places.unsqueeze(1)) % 2).to(dtype).view(1, 1, 8, 8)
    assert metrics.sf(board).item() == pytest.approx(math.sqrt(2) * 255)
    # Central differences see nothing inside. A border pixel has 255 across the border, a corner
    # both ways.
    expected = (24 * math.sqrt(1 / 2) + 4) * 255 / 64
    assert metrics.ag(board).item() == pytest.approx(expected)
    assert metrics.sd(board).item() == pytest.approx(127.5)


def test_edges_of_a_dot():
    dot = torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 1
    # Of the eight neighbours four see it straight (2) and four across a corner (1 and 1).
    expected = 255 * (4 * 2 + 4 * math.sqrt(2)) / 25
    for padding in ("replicate", "zeros"):
        assert metrics.ei(dot, padding=padding).item() == pytest.approx(expected)
    white = torch.ones(1, 1, 3, 3)
    assert metrics.ei(white).item() == 0
    # Zeros beyond make the frame an edge: 4 at the middle of a side, 3 and 3 at a corner.
    expected = 255 * (4 * 4 + 4 * math.hypot(3, 3)) / 9
    assert metrics.ei(white, padding="zeros").item() == pytest.approx(expected)


@DTYPES
def test_errors_of_constant_images(dtype):
    images = flat(10, 13, 6, dtype=dtype, size=(5, 6))
    close = {"rel": 1e-5}
    assert metrics.mse(*images).tolist() == pytest.approx([12.5] * 2, **close)
    assert metrics.mse(*images, data_range=1.0)[0].item() == pytest.approx(12.5 / 65025, **close)
    decibels = {"fused": 9.0309, 255.0: 37.16168, 65025.0: 37.16168 + 48.1308}
    for peak, expected in decibels.items():
        assert metrics.psnr(*images, peak=peak)[0].item() == pytest.approx(expected, **close)


@DTYPES
def test_correlations_of_sums_and_opposites(dtype):
    ir, vi = (torch.rand(2, 3, 1, 20, 30, dtype=dtype) / 2).unbind()
    close = {"rtol": 1e-5, "atol": 1e-5}
    ones = torch.ones(3, dtype=dtype)
    torch.testing.assert_close(metrics.scd(ir + vi, ir, vi), 2 * ones, **close)
    torch.testing.assert_close(metrics.cc(ir, ir, 1 - ir), 0 * ones, **close)
    torch.testing.assert_close(metrics.cc(0.2 + ir / 3, ir, ir), ones, **close)
    torch.testing.assert_close(metrics.cc(1 - ir, ir, ir), -ones, **close)


@DTYPES
def test_a_constant_difference_is_a_constant_image(dtype):
    # The fused image is the visible one ten levels up: without it, nothing but rounding is left.
    ir, vi = (torch.randint(0, 200, (2, 3, 1, 40, 50)).to(dtype) / 255).unbind()
    fused = (vi * 255 + 10) / 255
    expected = [np.corrcoef((f - i).flatten(), v.flatten())[0, 1] for f, i, v in zip(fused, ir, vi)]
    assert metrics.scd(fused, ir, vi).tolist() == pytest.approx(expected, abs=1e-5)


def test_an_image_that_ignores_both_sources_scores_low():
    fused, ir, vi = torch.rand(3, 4, 1, 161, 161).unbind()
    values = metrics.score((fused > 0.5).float(), ir, vi, metrics=GREY)
    for name in ("SSIM", "VIF", "CC"):
        assert (values[name].abs() < 0.1).all(), name
    assert (values["NMI"] < 0.1).all()


@DTYPES
def test_colour_differences_known_by_hand(dtype):
    colours = {"channels": 3, "size": (2, 3), "dtype": dtype}
    black, white, grey = flat(0, 255, 119, **colours)
    assert metrics.delta_e(white, None, black).tolist() == pytest.approx([100, 100], abs=1e-3)
    for image in (black, white, grey, torch.rand_like(grey)):
        assert metrics.delta_e(image, None, image).tolist() == [0, 0]
    torch.testing.assert_close(
        metrics.delta_e(grey, None, black), metrics.delta_e(black, None, grey)
    )


# Sharma, Wu, Dalal (2005), Table 1: pairs around the formula's bends, and their difference.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
    ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0),
    ((50, -0.9009, -85.5211), (50, 0, -82.7485), 1.0),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0010), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0012), 7.2195),
    ((50, -0.0010, 2.4900), (50, 0.0009, -2.4900), 4.8045),
    ((50, -0.0010, 2.4900), (50, 0.0010, -2.4900), 4.8045),
    ((50, -0.0010, 2.4900), (50, 0.0011, -2.4900), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0),
    ((50, 2.5, 0), (50, 3.2972, 0), 1.0),
    ((50, 2.5, 0), (50, 1.8634, 0.5757), 1.0),
    ((50, 2.5, 0), (50, 3.2592, 0.3350), 1.0),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def test_ciede2000_of_the_published_pairs():
    first, second, expected = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*SHARMA, strict=True)
    )
    labs = [lab.T.view(1, 3, 1, -1) for lab in (first, second)]
    ours = colour.ciede2000(*labs).flatten()
    torch.testing.assert_close(ours, expected, rtol=0, atol=5.1e-5)
    of_scikit_image = deltaE_ciede2000(first.numpy(), second.numpy())
    torch.testing.assert_close(ours, torch.from_numpy(of_scikit_image), rtol=0, atol=1e-9)


def test_lab_is_scikit_images():
    # Its constants of the line near black are rounded, hence the tolerance.
    rgb = parity.colours(torch.float64)[0]
    expected = torch.from_numpy(rgb2lab(rgb.numpy(), channel_axis=1))
    torch.testing.assert_close(colour.lab(rgb), expected, rtol=0, atol=2e-4)
