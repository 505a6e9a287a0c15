"""The proof that the parity check notices a slightly wrong constant and every wrong choice."""

import importlib

import pytest

from tests.metrics import parity
from tests.metrics.cases import CASES, CHOICES, Case
from tests.metrics.test_parity import DTYPES, expected


def slightly_wrong(value, factor=1.005):
    """One mutant a number in a constant: that number half a per cent off."""
    if not isinstance(value, tuple):
        return [value * factor]
    return [
        (*value[:i], wrong, *value[i + 1 :])
        for i, part in enumerate(value)
        for wrong in slightly_wrong(part, factor)
    ]


# (metric with choices, module, constant, wrong values)
CONSTANTS = [
    ("VIF", "vif", "WINDOW_SIZES", [(19, 9, 5, 3), (17, 9, 5, 5)]),
    ("VIF", "vif", "SIGMA_PER_SIZE", None),
    ("VIF", "vif", "NOISE_VARIANCE", None),
    ("VIF padding=zeros centred=False", "vif", "SIGMA_PER_SIZE", None),
    ("Qabf", "qabf", "STRENGTH", None),
    ("Qabf", "qabf", "ORIENTATION", None),
    ("SSIM", "ssim", "K2", None),
    ("SSIM window=gaussian window_size=11 data_range=255.0 sample_covariance=False",
     "ssim", "K1", None),
    ("MS-SSIM", "ms_ssim", "WEIGHTS", None),
    ("Qcb", "perception", "CSF", None),
    ("Qcb", "perception", "SATURATION", None),
    ("Qcb", "perception", "SIGMAS", None),
    ("Qcv", "perception", "MANNOS", None),
    ("Qcv", "perception", "SALIENCY_POWER", None),
    ("Qcv", "perception", "BLOCK", [15, 17]),
    ("ΔE", "colour", "WHITE", None),
    ("ΔE", "colour", "TO_XYZ", None),
    ("MI", "information", "LEVELS", [255]),
    ("NMI", "information", "LEVELS", [255]),
]  # fmt: skip


@DTYPES
@pytest.mark.parametrize(("name", "module", "constant", "wrong"), CONSTANTS, ids=str)
def test_the_check_rejects_a_wrong_constant(name, module, constant, wrong, dtype, monkeypatch):
    batch = CASES[name].images(dtype)
    place = importlib.import_module(f"fusionlib.metrics.{module}")
    for value in wrong or slightly_wrong(getattr(place, constant)):
        monkeypatch.setattr(place, constant, value)
        # With too few levels the joint histogram no longer fits its shape.
        with pytest.raises((AssertionError, RuntimeError)):
            parity.assert_equal(CASES[name](*batch), expected(name))


# Each choice in turn is wrong for the reference of every other, so that no two can be confused.
PAIRS = [
    (str(Case(name, right)), Case(name, wrong))
    for name, choices in CHOICES.items()
    for right in choices
    for wrong in choices
    if right != wrong
]
PAIRS += [
    ("SSIM", Case("SSIM", wrong))
    for wrong in ({"data_range": 2.02}, {"sample_covariance": False}, {"window_size": 9})
]
PAIRS.append((
    "SSIM window=gaussian window_size=15 sigma=2.0",
    Case("SSIM", {"window": "gaussian", "window_size": 15, "sigma": 2.01}),
))  # fmt: skip


@DTYPES
@pytest.mark.parametrize(("name", "wrong"), PAIRS, ids=str)
def test_the_check_rejects_a_wrong_choice(name, wrong, dtype):
    values = wrong(*CASES[name].images(dtype))
    with pytest.raises(AssertionError):
        parity.assert_equal(values, expected(name))
