import pytest
import torch

from fusionlib import metrics
from fusionlib.errors import FusionError
from fusionlib.metrics import CONVENTIONS, METRICS, score
from tests.metrics import parity

FUSED, IR, VI = parity.images(torch.float32)


def test_gives_the_metrics_asked_for_in_their_order():
    values = score(FUSED, IR, VI, metrics=("SSIM", "EN"))
    assert list(values) == ["SSIM", "EN"]
    torch.testing.assert_close(values["EN"], metrics.en(FUSED, IR, VI), rtol=0, atol=0)


def test_bsp_is_the_default_of_every_metric_and_of_score():
    default, bsp = score(FUSED, IR, VI), score(FUSED, IR, VI, convention="bsp")
    for name, metric in METRICS.items():
        assert torch.equal(default[name], bsp[name])
        assert torch.equal(default[name], metric(FUSED, IR, VI))


def test_ssvif_differs_from_bsp_in_the_unit_of_mi_alone():
    bsp, ssvif = (score(FUSED, IR, VI, convention=name) for name in ("bsp", "ssvif"))
    torch.testing.assert_close(ssvif["MI"], bsp["MI"] / torch.tensor(2.0).log())
    for name in ("EN", "VIF", "Qabf", "SSIM"):
        assert torch.equal(ssvif[name], bsp[name])


def test_standard_has_bits_and_the_ssim_of_8_bit_images():
    values = score(FUSED, IR, VI, metrics=("MI", "SSIM"), convention="standard")
    assert torch.equal(values["MI"], metrics.mi(FUSED, IR, VI, base="2"))
    expected = metrics.ssim(
        FUSED, IR, VI, data_range=255, window="gaussian", window_size=11, sample_covariance=False
    )
    assert torch.equal(values["SSIM"], expected)
    assert (values["SSIM"] > score(FUSED, IR, VI)["SSIM"]).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_name_known_metrics(convention):
    assert set(CONVENTIONS[convention]) <= set(METRICS)


def test_ssim_map_is_scale_free():
    x, y = FUSED.double(), IR.double()
    assert metrics.ssim_map(x, y).shape == (3, 1, 58, 69)
    torch.testing.assert_close(
        metrics.ssim_map(x, y), metrics.ssim_map(255 * x, 255 * y, data_range=255)
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: score(FUSED, IR, VI, metrics=("EN", "Vif")), "'Vif'.*VIF"),
        (lambda: score(FUSED, IR, VI, convention="cdd"), "'cdd'.*bsp"),
        (lambda: score(FUSED, IR[:2], VI), "^ir has shape"),
        (lambda: score(FUSED, IR, VI[..., :-1]), "^vi has shape"),
        (lambda: score(FUSED, IR, VI.double()), "^vi has dtype"),
        (lambda: metrics.mi(FUSED, IR, VI.expand(3, 3, -1, -1)), "^vi has shape.*one grey channel"),
        (lambda: metrics.en(FUSED[0]), "^fused has shape"),
        (lambda: metrics.en(FUSED[:0]), "^fused has shape"),
        (lambda: metrics.en((255 * FUSED).byte()), "^fused must be a float32"),
        (lambda: metrics.en(FUSED.half()), "^fused must be a float32"),
        (lambda: metrics.qabf(FUSED, 255 * IR, VI), r"^ir has values from 0 to 255.*\[0, 1\]"),
        (lambda: metrics.qabf(FUSED, IR, VI - 0.5), "^vi has values from -0.5"),
        (lambda: metrics.en(FUSED * torch.nan), "^fused has values from nan.*NaN"),
        (lambda: metrics.vif(*(x[..., :40] for x in (FUSED, IR, VI))), "64x40.*41x41"),
        (lambda: metrics.ssim(*(x[..., :6, :] for x in (FUSED, IR, VI))), "6x75.*7x7"),
        (lambda: metrics.ssim_map(FUSED, IR[..., 1:]), "same height and width"),
        (lambda: metrics.mi(FUSED, IR, VI, base="10"), "^base is '10'"),
        (lambda: metrics.ssim(FUSED, IR, VI, window="box"), "^window is 'box'"),
        (lambda: metrics.ssim(FUSED, IR, VI, window_size=8), "^window_size is 8"),
        (lambda: metrics.ssim(FUSED, IR, VI, reduction="max"), "^reduction is 'max'"),
        (lambda: metrics.ssim(FUSED, IR, VI, data_range=0), "^data_range is 0"),
        (lambda: metrics.ssim(FUSED, IR, VI, window="gaussian", sigma=-1), "^sigma is -1"),
    ],
)
def test_bad_input_gets_one_sentence(call, says):
    with pytest.raises(FusionError, match=says):
        call()
