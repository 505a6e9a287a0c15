"""Several metrics at once: order, labels, conventions, shared work, slices, colour, bad input."""

import pytest
import torch

from fusionlib import images, metrics
from fusionlib.errors import FusionError
from fusionlib.metrics import CONVENTIONS, DIRECTION, METRICS, columns, score
from tests.metrics import parity

FUSED, IR, VI = parity.images(torch.float32)
LARGE = parity.images(torch.float32, 177, 191)
COLOURS = parity.colours(torch.float32, 177, 191)
GREY = [name for name in METRICS if name != "ΔE"]


def test_gives_the_metrics_asked_for_in_their_order():
    values = score(FUSED, IR, VI, metrics=("SSIM", "EN"))
    assert list(values) == ["SSIM", "EN"]
    torch.testing.assert_close(values["EN"], metrics.en(FUSED, IR, VI), rtol=0, atol=0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_columns_are_the_labels_of_score(convention):
    for names in (GREY, GREY[::-1], ("SSIM", "AG"), ()):
        values = score(*LARGE, metrics=names, convention=convention)
        assert columns(names, convention) == list(values)
        for value in values.values():
            assert value.shape == (3,)
            assert value.dtype == torch.float32


def test_bsp_is_the_default_of_every_metric_and_of_score():
    default, bsp = score(FUSED, IR, VI), score(FUSED, IR, VI, convention="bsp")
    assert list(default) == ["EN", "MI", "VIF", "Qabf", "SSIM"]
    for name, value in default.items():
        assert torch.equal(value, bsp[name])
    for name, value in score(*LARGE, metrics=GREY).items():
        assert torch.equal(value, METRICS[name](*LARGE)), name
    assert columns(GREY) == columns(GREY, "bsp") == GREY


def test_ssvif_differs_from_bsp_in_the_unit_of_mi_alone():
    bsp, ssvif = (score(*LARGE, metrics=GREY, convention=name) for name in ("bsp", "ssvif"))
    torch.testing.assert_close(ssvif["MI"], bsp["MI"] / torch.tensor(2.0).log())
    for name in GREY:
        assert (name == "MI") != torch.equal(ssvif[name], bsp[name]), name
    # What fits SSVIF's columns: constants near zero in SSIM, odd sides padded.
    assert torch.equal(ssvif["SSIM"], metrics.ssim(*LARGE, data_range=2.0))
    assert torch.equal(ssvif["MS-SSIM"], metrics.ms_ssim(*LARGE, data_range=1.0, odd="pad"))


def test_regionfuse_gives_both_candidates_with_their_names():
    values = score(FUSED, IR, VI, metrics=("Qcb", "SF", "AG"), convention="regionfuse")
    assert list(values) == ["Qcb (nyquist)", "Qcb (halved)", "SF", "AG (pixels)", "AG (inner)"]
    for divisor in ("pixels", "inner"):
        expected = metrics.ag(FUSED, divisor=divisor)
        assert torch.equal(values[f"AG ({divisor})"], expected)
    for frequencies, rounded in (("nyquist", True), ("halved", False)):
        expected = metrics.qcb(FUSED, IR, VI, frequencies=frequencies, rounded=rounded)
        assert torch.equal(values[f"Qcb ({frequencies})"], expected)


def test_standard_is_what_the_metrics_own_papers_mean():
    values = score(*LARGE, metrics=GREY, convention="standard")
    assert torch.equal(values["MI"], metrics.mi(*LARGE, base="2"))
    expected = metrics.ssim(
        *LARGE, data_range=255, window="gaussian", window_size=11, sample_covariance=False
    )
    assert torch.equal(values["SSIM"], expected)
    assert torch.equal(values["MS-SSIM"], metrics.ms_ssim(*LARGE, data_range=255, odd="crop"))
    assert torch.equal(values["PSNR"], metrics.psnr(*LARGE, peak=255))
    assert torch.equal(values["SF"], metrics.sf(*LARGE, divisor="pixels"))
    assert torch.equal(values["AG"], metrics.ag(*LARGE, divisor="inner"))
    assert (values["SSIM"] > score(*LARGE)["SSIM"]).all()


def test_every_metric_has_a_direction():
    assert list(DIRECTION) == list(METRICS)
    lower = [name for name, direction in DIRECTION.items() if direction == "lower"]
    assert lower == ["CE", "MSE", "Qcv", "ΔE"]
    assert set(DIRECTION.values()) == {"lower", "higher"}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_name_known_metrics(convention):
    assert set(CONVENTIONS[convention]) <= set(METRICS)


@pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
def test_what_metrics_share_does_not_change_them(dtype, order):
    batch = [image.to(dtype) for image in LARGE]
    names = GREY[::order]
    alone = {name: METRICS[name](*batch) for name in names}
    for _ in range(2):  # nothing is left behind for a second time
        for name, value in score(*batch, metrics=names).items():
            assert torch.equal(value, alone[name]), name
    # The same tensors in other roles.
    fused, ir, vi = batch
    for roles in ((ir, vi, fused), (fused, vi, ir), (fused, fused, fused)):
        for name, value in score(*roles, metrics=names).items():
            assert torch.equal(value, METRICS[name](*roles)), name


def test_images_changed_in_place_are_scored_anew():
    fused, ir, vi = (image.clone() for image in (FUSED, IR, VI))
    score(fused, ir, vi)
    fused.copy_(IR)
    for name, value in score(fused, ir, vi).items():
        assert torch.equal(value, METRICS[name](IR, ir, vi)), name


# More images than are taken through the metrics at once.
@pytest.mark.parametrize("count", [7, 40])
def test_a_large_batch_gives_what_its_images_give_alone(count):
    batch = [image.double().repeat(14, 1, 1, 1)[:count] for image in LARGE]
    values = score(*batch, metrics=GREY)
    alone = score(*(image.double() for image in LARGE), metrics=GREY)
    for name, value in values.items():
        assert value.shape == (count,)
        expected = alone[name].repeat(14)[:count]
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12, msg=name)


@pytest.mark.parametrize("dtype", parity.TOLERANCE, ids=str)
def test_colour_images_give_the_scores_of_their_grey(dtype):
    fused, ir, vi = (image.to(dtype) for image in COLOURS)
    ir = ir[:, :1]
    values = score(fused, ir, vi, metrics=list(METRICS))
    assert list(values) == list(METRICS)
    grey = [images.grey_of(fused).to(dtype), ir, images.grey_of(vi).to(dtype)]
    for name, expected in score(*grey, metrics=GREY).items():
        torch.testing.assert_close(values[name], expected, rtol=1e-6, atol=1e-6, msg=name)
        assert values[name].dtype == dtype
    assert torch.equal(values["ΔE"], metrics.delta_e(fused, ir, vi))
    # Each of the two may be in colour, the other grey.
    for mixed in ((fused, ir, grey[2]), (grey[0], ir, vi)):
        for name, value in score(*mixed, metrics=("EN", "SCD")).items():
            torch.testing.assert_close(value, values[name], rtol=1e-6, atol=1e-6)


def test_ssim_map_is_scale_free():
    x, y = FUSED.double(), IR.double()
    assert metrics.ssim_map(x, y).shape == (3, 1, 58, 69)
    torch.testing.assert_close(
        metrics.ssim_map(x, y), metrics.ssim_map(255 * x, 255 * y, data_range=255)
    )


MANY = [image.repeat(70, 1, 1, 1) for image in (FUSED, IR, VI)]  # several slices


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: score(FUSED, IR, VI, metrics=("EN", "Vif")), "'Vif'.*VIF"),
        (lambda: score(FUSED, IR, VI, convention="cdd"), "'cdd'.*bsp"),
        (lambda: columns(("EN", "Vif")), "'Vif'.*VIF"),
        (lambda: columns(("EN",), "cdd"), "'cdd'.*bsp"),
        (lambda: score(FUSED, IR[:2], VI), "^ir has shape"),
        (lambda: score(MANY[0], MANY[1][:109], MANY[2]), "^ir has shape"),
        (lambda: score(MANY[0], MANY[1], MANY[2][:109]), "^vi has shape"),
        (lambda: score(MANY[0][:109], *MANY[1:]), "^ir has shape"),
        (lambda: score(FUSED, IR, VI[..., :-1]), "^vi has shape"),
        (lambda: score(FUSED, IR, VI.double()), "^vi has dtype"),
        (lambda: score(FUSED, IR, VI, metrics=("ΔE",)), "^fused has shape.*ΔE"),
        (lambda: score(COLOURS[0], IR, VI, metrics=("EN", "ΔE")), "^vi has shape.*ΔE"),
        (lambda: metrics.delta_e(FUSED, IR, VI), "^fused has shape.*RGB"),
        (lambda: metrics.delta_e(COLOURS[0], IR, VI), "^vi has shape"),
        (lambda: metrics.mi(FUSED, IR, VI.expand(3, 3, -1, -1)), "^vi has shape.*one grey channel"),
        (lambda: metrics.en(FUSED[0]), "^fused has shape"),
        (lambda: metrics.qabf(FUSED, None, VI), "^ir is None"),
        (lambda: score(FUSED, IR, None), "^vi is of type NoneType"),
        (lambda: score(FUSED.numpy(), IR, VI), "^fused is of type ndarray"),
        (lambda: metrics.psnr(FUSED, IR, VI, peak="255"), "^peak is '255'"),
        (lambda: metrics.en(FUSED[:0]), "^fused has shape"),
        (lambda: score(FUSED[:0], IR[:0], VI[:0]), "^fused has shape"),
        (lambda: score(FUSED[0], IR[0], VI[0]), "^fused has shape"),
        (lambda: metrics.en((255 * FUSED).byte()), "^fused must be a float32"),
        (lambda: score((255 * COLOURS[0]).byte(), *LARGE[1:]), "^fused must be a float32"),
        (lambda: metrics.en(FUSED.half()), "^fused must be a float32"),
        (lambda: metrics.qabf(FUSED, 255 * IR, VI), r"^ir has values from 0 to 255.*\[0, 1\]"),
        (lambda: score(255 * COLOURS[0], *LARGE[1:]), r"^fused has values.*\[0, 1\]"),
        (lambda: score(LARGE[0], LARGE[1], COLOURS[2] * torch.nan), "NaN"),
        (lambda: metrics.qabf(FUSED, IR, VI - 0.5), "^vi has values from -0.5"),
        (lambda: metrics.en(FUSED * torch.nan), "^fused has values from nan.*NaN"),
        (lambda: score(FUSED * torch.nan, IR, VI, metrics=GREY), "^fused has values from nan.*NaN"),
        (lambda: metrics.vif(*(x[..., :40] for x in (FUSED, IR, VI))), "64x40.*41x41"),
        (lambda: metrics.ssim(*(x[..., :6, :] for x in (FUSED, IR, VI))), "6x75.*7x7"),
        (lambda: metrics.ms_ssim(*(x[..., :160] for x in LARGE)), "177x160.*161x161"),
        (lambda: metrics.ms_ssim(*(x[..., :175] for x in LARGE), odd="crop"), "177x175.*176x176"),
        (lambda: metrics.sf(FUSED[..., :1]), "64x1.*2x2"),
        (lambda: metrics.ag(FUSED[..., :1, :]), "1x75.*2x2"),
        (lambda: metrics.ssim_map(FUSED, IR[..., 1:]), "same height and width"),
        (lambda: metrics.sf(FUSED, divisor="inner"), "^divisor is 'inner'"),
        (lambda: metrics.ag(FUSED, divisor="differences"), "^divisor is 'differences'"),
        (lambda: metrics.ei(FUSED, padding="none"), "^padding is 'none'"),
        (lambda: metrics.mi(FUSED, IR, VI, base="10"), "^base is '10'"),
        (lambda: metrics.nmi(FUSED, IR, VI, normaliser="joint"), "^normaliser is 'joint'"),
        (lambda: metrics.vif(FUSED, IR, VI, padding="replicate"), "^padding is 'replicate'"),
        (lambda: metrics.ssim(FUSED, IR, VI, window="box"), "^window is 'box'"),
        (lambda: metrics.ssim(FUSED, IR, VI, window_size=8), "^window_size is 8"),
        (lambda: metrics.ssim(FUSED, IR, VI, reduction="max"), "^reduction is 'max'"),
        (lambda: metrics.ssim(FUSED, IR, VI, data_range=0), "^data_range is 0"),
        (lambda: metrics.ssim(FUSED, IR, VI, window="gaussian", sigma=-1), "^sigma is -1"),
        (lambda: metrics.ms_ssim(*LARGE, odd="drop"), "^odd is 'drop'"),
        (lambda: metrics.ms_ssim(*LARGE, reduction="max"), "^reduction is 'max'"),
        (lambda: metrics.ms_ssim(*LARGE, data_range=0), "^data_range is 0"),
        (lambda: metrics.mse(FUSED, IR, VI, data_range=0), "^data_range is 0"),
        (lambda: metrics.psnr(FUSED, IR, VI, peak=-1), "^peak is -1"),
        (lambda: metrics.psnr(FUSED, IR, VI, peak="image"), "^peak is 'image'"),
        (lambda: metrics.qcb(FUSED, IR, VI, frequencies="full"), "^frequencies is 'full'"),
    ],
)
def test_bad_input_gets_one_sentence(call, says):
    with pytest.raises(FusionError, match=says) as caught:
        call()
    assert str(caught.value).count(". ") == 0
    assert str(caught.value).endswith(".")
