"""Every metric with every choice of its arguments, and the slow reference of each."""

from typing import NamedTuple

import torch

from fusionlib.metrics import METRICS
from tests.metrics import parity, slow

# The first choice is always the default.
CHOICES = {
    "EN": [{}],
    "SD": [{}],
    "SF": [{}, {"divisor": "pixels"}],
    "AG": [{}, {"divisor": "inner"}],
    "EI": [{}, {"padding": "zeros"}],
    "CE": [{}],
    "MI": [{}, {"base": "2"}, {"stretch": True}, {"base": "2", "stretch": True}],
    "NMI": [{}, {"normaliser": "sources"}],
    "VIF": [
        {},
        {"padding": "zeros", "centred": False},
        {"padding": "zeros"},
        {"centred": False},
    ],
    "Qabf": [{}],
    "SSIM": [
        {},
        {"reduction": "mean"},
        {"window_size": 11, "data_range": 255.0},
        {"window_size": 5, "data_range": 1.0, "sample_covariance": False},
        {"window": "gaussian", "window_size": 11, "data_range": 1.0},
        {"window": "gaussian", "window_size": 11, "data_range": 255.0, "sample_covariance": False},
        {"window": "gaussian", "window_size": 15, "sigma": 2.0},
    ],
    "MS-SSIM": [{}, {"odd": "crop"}, {"reduction": "mean"}, {"data_range": 255.0}],
    "SCD": [{}],
    "CC": [{}],
    "MSE": [{}, {"data_range": 1.0}],
    "PSNR": [{}, {"peak": 255.0}, {"peak": 65025.0}],
    "Qcb": [{}, {"frequencies": "halved"}, {"rounded": False}],
    "Qcv": [{}],
    "ΔE": [{}],
}
DIFFERENTIABLE = (
    "SD", "SF", "AG", "EI", "VIF", "Qabf", "SSIM", "MS-SSIM", "SCD", "CC", "MSE", "PSNR", "ΔE",
)  # fmt: skip
_SLOW = {"MS-SSIM": slow.ms_ssim, "ΔE": slow.delta_e}


class Case(NamedTuple):
    """A metric with chosen arguments."""

    name: str
    choices: dict

    def __call__(self, fused, ir, vi):
        return METRICS[self.name](fused, ir, vi, **self.choices)

    def slow(self, fused, ir, vi):
        reference = _SLOW.get(self.name) or getattr(slow, self.name.lower())
        return reference(fused, ir, vi, **self.choices)

    def images(self, dtype=torch.float64):
        """A batch that shows every constant and on which all choices differ."""
        if self.name == "ΔE":
            return parity.colours(dtype)
        if self.name == "MS-SSIM":
            return parity.images(dtype, 177, 191)  # large, with odd sides to halve
        if self.name == "Qcb":
            return parity.unrounded(dtype, 20, 2001)  # its frequencies count waves a width
        if self.name in ("EN", "CE", "MI", "NMI", "Qcv"):
            return parity.unrounded(dtype)
        return parity.images(dtype)

    def __str__(self):
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.choices.items())])


CASES = {
    str(case): case
    for name, choices in CHOICES.items()
    for case in (Case(name, c) for c in choices)
}
