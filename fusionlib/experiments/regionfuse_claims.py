"""What RegionFuse's supplement says in words of its tables, as claims that rows of numbers decide.

AG and Qcb are asked for in the candidates that the convention computes. Rows
that differ in R or E see the same patches with one seed, but begin with other
weights: each side of a router has its own size. That X-Restormer makes grain
(2.7) is measured beside Table 5, not judged here.
"""

from fusionlib.experiments import regionfuse
from fusionlib.experiments.claims import Claim

SF, AG, VIF, QABF = ("SF",), ("AG (pixels)", "AG (inner)"), ("VIF",), ("Qabf",)
QCB = ("Qcb (nyquist)", "Qcb (halved)")
ALL = (*SF, *AG, *VIF, *QABF, *QCB)


def _higher(name: str, where: str, says: str, row: str, against: str, metrics) -> Claim:
    where, rows = f"RegionFuse supplement {where}", ((row, 0), (against, 0))
    return Claim(f"regionfuse-{name}", where, says, *rows, "higher", metrics)


REGIONS = tuple(
    _higher(f"region-48-beats-{other}", "2.1, Table 1",
            f"Regions of 48 pixels a side are better than of {other}.",
            "R = 48", f"R = {other}", ALL)
    for other in (64, 32)
)  # fmt: skip
_GRID = ("E4-K2", "E4-K1", "E4-K3", "E6-K1", "E6-K2")
_NAMED = ("E4-K2", "E4-K3", "E6-K1")  # in the text; the figure's other bars can't be read


def _best(name: str, best: str, says: str, metrics) -> tuple[Claim, ...]:
    return tuple(
        _higher(f"{name}-against-{other}".lower(), "2.2, Figure 4",
                f"{says}: against {other}{'' if other in _NAMED else ', a bar that is ours'}.",
                best, other, metrics)
        for other in _GRID
        if other != best
    )  # fmt: skip


EXPERTS = (
    *_best("three-of-four-best-ag", "E4-K3", "Four experts, three chosen, have the best AG", AG),
    *_best("one-of-six-best-sf", "E6-K1", "Six experts, one chosen, have the best SF", SF),
    *_best("two-of-four-best", "E4-K2", "Two of four are best in all other metrics",
           (*VIF, *QABF, *QCB)),
)  # fmt: skip
_LAMBDAS = {weight: (f"lambda = {weight}", 0) for weight in (1, 2, 5, 10, 20)}
GRADIENTS = tuple(
    # As alike as the paper's own five rows are, which have three decimals.
    Claim(f"regionfuse-lambda-5-equals-{other}", "RegionFuse supplement 2.3, Table 2",
          f"Performance is stable over a wide range of lambda: 5 and {other} are alike.",
          _LAMBDAS[5], _LAMBDAS[other], "equal", ALL,
          among=tuple(_LAMBDAS.values()), rounded=0.001)
    for other in (1, 2, 10, 20)
)  # fmt: skip
LOADS = tuple(
    _higher(f"mu-5-beats-{other}", "2.4, Table 3",
            f"The load weight 5 is best in all metrics: against {other}.",
            "mu = 5", f"mu = {other}", ALL)
    for other in ("0.5", "1", "10", "50")
)  # fmt: skip
ENCODERS = (
    _higher("x-restormer-lifts-sharpness", "2.7, Table 5",
            "X-Restormer's encoder in PIAFusion gains in some metrics: SF and AG.",
            regionfuse.PIAF_X, regionfuse.PIAF, (*SF, *AG)),
    _higher("x-restormer-lowers-vif", "2.7, Table 5",
            "By the printed cells X-Restormer's encoder in PIAFusion lowers VIF.",
            regionfuse.PIAF, regionfuse.PIAF_X, VIF),
    _higher("regionfuse-beats-piafusion", "2.7, Table 5",
            "By the printed cells RegionFuse is better than PIAFusion.",
            regionfuse.OURS, regionfuse.PIAF, ALL),
    _higher("not-by-x-restormer-alone", "2.7, Table 5",
            "Its gains are not those of X-Restormer alone.",
            regionfuse.OURS, regionfuse.PIAF_X, (*VIF, *QABF, *QCB)),
)  # fmt: skip
