"""Named bundles of the choices in which public evaluators differ."""

from fusionlib.errors import FusionError

# A convention gives each metric its keyword arguments; a metric that it leaves out has no choice
# to make, or keeps the function's default, which is what Beyond Strict Pairing printed. Where a
# paper does not settle a choice, there is a bundle a label, and both are computed. Where the
# choices come from is in the metrics' docstrings.
_SSIM_WITH_RANGE_2 = {
    "data_range": 2.0,
    "window": "uniform",
    "window_size": 7,
    "sample_covariance": True,
    "reduction": "sum",
}

CONVENTIONS = {
    # Beyond Strict Pairing: the evaluator of CDDFuse.
    "bsp": {"MI": {"base": "e"}, "SSIM": _SSIM_WITH_RANGE_2, "PSNR": {"peak": "fused"}},
    # SSVIF: no public evaluator gives all its columns; this mixture fits them.
    "ssvif": {
        "MI": {"base": "2"},
        "SSIM": _SSIM_WITH_RANGE_2,
        "MS-SSIM": {"data_range": 1.0, "odd": "pad", "reduction": "sum"},
    },
    # RegionFuse: its columns leave open who computed AG and Qcb.
    "regionfuse": {
        "AG": {"AG (pixels)": {"divisor": "pixels"}, "AG (inner)": {"divisor": "inner"}},
        "Qcb": {
            "Qcb (nyquist)": {"frequencies": "nyquist", "rounded": True},
            "Qcb (halved)": {"frequencies": "halved", "rounded": False},
        },
    },
    # The metrics' own papers: MI in bits, SSIM with the range of 8-bit images.
    "standard": {
        "SF": {"divisor": "pixels"},
        "AG": {"divisor": "inner"},
        "MI": {"base": "2"},
        "SSIM": {
            "data_range": 255.0,
            "window": "gaussian",
            "window_size": 11,
            "sigma": 1.5,
            "sample_covariance": False,
            "reduction": "sum",
        },
        "MS-SSIM": {"data_range": 255.0, "odd": "crop", "reduction": "sum"},
        "PSNR": {"peak": 255.0},
    },
}

# What the papers print, in their order.
PRINTED = {
    "bsp": ("EN", "MI", "VIF", "Qabf", "SSIM"),
    "ssvif": ("EN", "MI", "VIF", "Qabf", "SSIM", "MS-SSIM", "ΔE"),
    "regionfuse": ("SF", "AG", "VIF", "Qabf", "Qcb"),
    "standard": ("EN", "MI", "VIF", "Qabf", "SSIM"),
}


def check_convention(name):
    """Refuse an unknown convention."""
    if name not in CONVENTIONS:
        raise FusionError(f"convention is {name!r}: choose from {', '.join(CONVENTIONS)}.")


def metric_of(label):
    """The metric's name in a label of `choices`, such as "AG" in "AG (pixels)"."""
    return label.partition(" (")[0]


def choices(metric, convention):
    """Keyword arguments of a metric under a convention, by the label of the result.

    One label, the metric's name, where the convention settles its choices;
    otherwise one a candidate.
    """
    bundle = CONVENTIONS[convention].get(metric, {})
    several = bundle and all(isinstance(value, dict) for value in bundle.values())
    return bundle if several else {metric: bundle}
