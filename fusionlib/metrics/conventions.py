"""Named bundles of the choices in which public evaluators differ."""

# A convention gives each metric its keyword arguments; a metric that it leaves out has no choice
# to make. Where the choices come from is in the metrics' docstrings.
_BSP_SSIM = {
    "data_range": 2.0,
    "window": "uniform",
    "window_size": 7,
    "sample_covariance": True,
    "reduction": "sum",
}

CONVENTIONS = {
    # Beyond Strict Pairing: the evaluator of CDDFuse.
    "bsp": {"MI": {"base": "e"}, "SSIM": _BSP_SSIM},
    # SSVIF: no public evaluator gives all its columns; this mixture fits them.
    "ssvif": {"MI": {"base": "2"}, "SSIM": _BSP_SSIM},
    # The metrics' own papers: MI in bits, SSIM with the range of 8-bit images.
    "standard": {
        "MI": {"base": "2"},
        "SSIM": {
            "data_range": 255.0,
            "window": "gaussian",
            "window_size": 11,
            "sigma": 1.5,
            "sample_covariance": False,
            "reduction": "sum",
        },
    },
}
