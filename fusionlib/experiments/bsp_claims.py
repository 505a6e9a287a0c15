"""What Beyond Strict Pairing says in words of its tables, as claims that rows of numbers decide."""

from fusionlib.experiments.bsp_tables import named
from fusionlib.experiments.claims import Claim
from fusionlib.experiments.table4 import TRAINABLE

FOUR = ("MI", "VIF", "Qabf", "SSIM")
TABLE1_CLAIMS = (
    Claim("unpaired-equals-paired", "BSP 4.2.1, Table 1 rows 1-2",
          "Trained on 150 unpaired patches a model scores nearly as on 150 pairs.",
          ("UPTP", 150), ("SPTP", 150), "equal", ("EN", *FOUR)),
    Claim("fifty-fold-helps", "BSP 4.2.2, Table 1 rows 1 and 3",
          "Fifty times as many unpaired relations score higher than 150 pairs.",
          ("UPTP", 7500), ("SPTP", 150), "higher", FOUR),
    Claim("hundred-fold-helps", "BSP 4.2.2, Table 1 rows 1 and 4",
          "A hundred times as many unpaired relations score higher than 150 pairs.",
          ("UPTP", 15000), ("SPTP", 150), "higher", FOUR),
    Claim("unpaired-equals-hundred-fold-pairs", "BSP 4.2.2, Table 1 rows 4-5",
          "15,000 unpaired relations of 150 patches score nearly as 15,000 real pairs.",
          ("UPTP", 15000), ("SPTP", 15000), "equal", ("EN", *FOUR)),
    Claim("arbitrary-equals-hundred-fold-pairs", "BSP 4.2.2, Table 1 rows 5-6",
          "15,000 arbitrary relations of 150 patches score nearly as 15,000 real pairs.",
          ("APTP", 15000), ("SPTP", 15000), "equal", ("EN", *FOUR)),
)  # fmt: skip

_STRICT = ("SPTP MSRS+MSRS", 150)
_WELL_CROSSED = (("M3FD", "MSRS"), ("M3FD", "LLVIP"), ("LLVIP", "MSRS"), ("MSRS", "LLVIP"))
TABLE2_CLAIMS = (
    *(
        Claim(
            f"{infrared}-infrared-{visible}-visible-helps".lower(),
            "BSP 4.2.2, Table 2",
            f"Infrared patches of {infrared} with visible ones of {visible} teach more than pairs.",
            (f"UPTP {infrared}+{visible}", 7500),
            _STRICT,
            "higher",
            FOUR,
        )
        for infrared, visible in _WELL_CROSSED
    ),
    # The printed SSIM of this row lies below that of the pairs.
    Claim(
        "llvip-infrared-m3fd-visible-helps",
        "BSP 4.2.2, Table 2",
        "Infrared patches of LLVIP with visible ones of M3FD teach more than pairs.",
        ("UPTP LLVIP+M3FD", 7500),
        _STRICT,
        "higher",
        FOUR[:3],
    ),
    Claim(
        "last-crossing-helps-in-three",
        "BSP 4.2.2, Table 2",
        "Infrared patches of MSRS with visible ones of M3FD raise MI, VIF and Qabf.",
        ("UPTP MSRS+M3FD", 7500),
        _STRICT,
        "higher",
        FOUR[:3],
    ),
    Claim(
        "last-crossing-costs-in-two",
        "BSP 4.2.2, Table 2",
        "and lower EN and SSIM, at the cost of natural appearance.",
        _STRICT,
        ("UPTP MSRS+M3FD", 7500),
        "higher",
        ("EN", "SSIM"),
    ),
)

_SIZES = (15, 30, 60, 150)
TABLE3_CLAIMS = (
    *(
        Claim(
            f"arbitrary-helps-{size}",
            "BSP 4.2.2, Table 3",
            f"All {size**2:,} pairs of {size} patches a side teach more than {size} strict ones.",
            (f"APTP of {size}", size**2),
            (f"SPTP of {size}", size),
            "higher",
            ("EN", *FOUR) if size < 150 else FOUR,
        )
        for size in _SIZES
    ),
    # The printed gain in Qabf is larger for 150 patches.
    Claim(
        "small-bases-gain-more",
        "BSP 4.2.2, Table 3",
        "The fewer patches there are, the more arbitrary pairing gains.",
        ("APTP of 15", 225),
        ("SPTP of 15", 15),
        "higher",
        ("EN", "MI", "VIF", "SSIM"),
        (("APTP of 150", 22500), ("SPTP of 150", 150)),
    ),
)

_WHOLE = ("150 ir, 150 vi", 150)
TABLE5_CLAIMS = tuple(
    Claim(name, "BSP supplement 8.1, Table 5", says, (mode, 7500), _WHOLE, "higher", FOUR)
    for name, mode, says in (
        (
            "few-infrared-suffice",
            "75 ir, 150 vi",
            "With half of the infrared patches unpaired training still beats 150 pairs.",
        ),
        (
            "few-visible-suffice",
            "150 ir, 75 vi",
            "With half of the visible patches unpaired training still beats 150 pairs.",
        ),
    )
)


def _setting(name: str) -> tuple[str, int]:
    return named(name), TRAINABLE


_WHERE7 = "BSP supplement 8.3, Table 7"
TABLE7_CLAIMS = (
    Claim(
        "gradient-term-adds-texture",
        _WHERE7,
        "With the gradient term more texture is kept than with intensity alone.",
        _setting("II"),
        _setting("I"),
        "higher",
        ("VIF", "Qabf"),
    ),
    Claim(
        "ssim-term-adds-structure",
        _WHERE7,
        "With the SSIM term structure and visual fidelity are better than with intensity alone.",
        _setting("III"),
        _setting("I"),
        "higher",
        ("VIF", "SSIM"),
    ),
    Claim(
        "without-intensity-radiation-is-lost",
        _WHERE7,
        "Without the intensity term much thermal radiation is lost.",
        _setting("V"),
        _setting("IV"),
        "higher",
        ("EN", "Qabf", "SSIM"),
    ),
    Claim(
        "all-terms-beat-intensity",
        _WHERE7,
        "All three terms do best: against intensity alone.",
        _setting("V"),
        _setting("I"),
        "higher",
        ("VIF", "Qabf", "SSIM"),
    ),
    Claim(
        "all-terms-beat-two",
        _WHERE7,
        "All three terms do best: against no SSIM term.",
        _setting("V"),
        _setting("II"),
        "higher",
        ("VIF", "Qabf", "SSIM"),
    ),
    Claim(
        "all-terms-beat-other-two",
        _WHERE7,
        "All three terms do best: against no gradient term.",
        _setting("V"),
        _setting("III"),
        "higher",
        ("VIF", "Qabf", "SSIM"),
    ),
)


def _retrained(model: str, method: str, beaten: tuple[str, ...]) -> tuple[Claim, ...]:
    """Table 6 of one method; `beaten` are the metrics whose printed value is the higher one."""
    where = "BSP supplement 8.2, Table 6"
    return (
        Claim(f"{model}-gains-from-unpaired", where,
              f"{method} learns more from 15,000 unpaired relations than from 150 pairs.",
              ("UPTP", 15000), ("SPTP", 150), "higher", ("EN", *FOUR)),
        Claim(f"{model}-unpaired-beats-hundred-fold-pairs", where,
              f"{method} learns more from them even than from 15,000 real pairs.",
              ("UPTP", 15000), ("SPTP", 15000), "higher", beaten),
    )  # fmt: skip


# The printed values are equal or lower in the metrics that are not named.
TABLE6_CLAIMS = {
    "cddfuse": _retrained("cddfuse", "CDDFuse", ("EN", "MI", "SSIM")),
    "mmdrfuse": _retrained("mmdrfuse", "MMDRFuse", ("EN", "VIF", "Qabf", "SSIM")),
    "tgfuse": _retrained("tgfuse", "TGFuse", ("EN", "MI", "VIF")),
}
