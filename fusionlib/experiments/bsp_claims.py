"""What Beyond Strict Pairing says in words of its tables, as claims that rows of numbers decide."""

from itertools import pairwise

from fusionlib.experiments.bsp_tables import CROSSED, named
from fusionlib.experiments.claims import AVERAGE, FIVE, Claim
from fusionlib.experiments.evolution import EARLY
from fusionlib.experiments.table4 import TRAINABLE

FOUR = FIVE[1:]  # the text grants that EN may fall
TABLE1_CLAIMS = (
    Claim("unpaired-equals-paired", "BSP 4.2.1, Table 1 rows 1-2",
          "Trained on 150 unpaired patches a model scores nearly as on 150 pairs.",
          ("UPTP", 150), ("SPTP", 150), "equal", FIVE),
    Claim("fifty-fold-helps", "BSP 4.2.2, Table 1 rows 1 and 3",
          "Fifty times as many unpaired relations score higher than 150 pairs.",
          ("UPTP", 7500), ("SPTP", 150), "higher", FOUR),
    Claim("hundred-fold-helps", "BSP 4.2.2, Table 1 rows 1 and 4",
          "A hundred times as many unpaired relations score higher than 150 pairs.",
          ("UPTP", 15000), ("SPTP", 150), "higher", FOUR),
    Claim("unpaired-equals-hundred-fold-pairs", "BSP 4.2.2, Table 1 rows 4-5",
          "15,000 unpaired relations of 150 patches score nearly as 15,000 real pairs.",
          ("UPTP", 15000), ("SPTP", 15000), "equal", FIVE),
    Claim("arbitrary-equals-hundred-fold-pairs", "BSP 4.2.2, Table 1 rows 5-6",
          "15,000 arbitrary relations of 150 patches score nearly as 15,000 real pairs.",
          ("APTP", 15000), ("SPTP", 15000), "equal", FIVE),
    Claim("arbitrary-equals-unpaired", "BSP 4.2.2, Table 1 rows 4 and 6",
          "15,000 arbitrary relations score nearly as 15,000 unpaired ones.",
          ("APTP", 15000), ("UPTP", 15000), "equal", FIVE),
    Claim("hundred-fold-pairs-help", "BSP Table 1, bold print of row 5",
          "A hundred times as many real pairs score higher than 150 pairs.",
          ("SPTP", 15000), ("SPTP", 150), "higher", FOUR),
    Claim("arbitrary-helps", "BSP 4.2.2, Table 1, bold print of row 6",
          "A hundred times as many arbitrary relations score higher than 150 pairs.",
          ("APTP", 15000), ("SPTP", 150), "higher", FOUR),
    Claim("more-unpaired-helps", "BSP 4.2.2, Table 1 rows 2-3",
          "7,500 unpaired relations score higher than 150 unpaired ones.",
          ("UPTP", 7500), ("UPTP", 150), "higher", FOUR),
    Claim("still-more-unpaired-helps", "BSP 4.2.2, Table 1 rows 3-4",
          "15,000 unpaired relations score higher than 7,500.",
          ("UPTP", 15000), ("UPTP", 7500), "higher", FOUR),
)  # fmt: skip
# Of the Transformer alone.
UNPAIRED_IS_BETTER = Claim(
    "unpaired-beats-paired", "BSP 4.2.1, Table 1 rows 1-2",
    "Trained on 150 unpaired patches it scores marginally better than on 150 pairs.",
    ("UPTP", 150), ("SPTP", 150), "higher", FIVE,
)  # fmt: skip


def _at(mode: str, step: int) -> tuple[str, int]:
    return f"{mode} at step {step}", 150


def _converges(model: str, title: str) -> tuple[Claim, ...]:
    """Figure 2 of one baseline; its losses have no images that a rule could rest on."""
    where, (start, _) = "BSP 3.4.1, Figure 2", EARLY
    return (
        *(
            Claim(f"{kind}-ssim-rises-{model}", where,
                  f"While the {title} trains on {kind} patches the SSIM of test images rises.",
                  (mode, 150), _at(mode, start), "higher", ("SSIM",))
            for mode, kind in (("SPTP", "paired"), ("UPTP", "unpaired"))
        ),
        Claim(f"ssim-ends-alike-{model}", where,
              f"At the end of both trainings the {title}'s SSIM of test images is comparable.",
              ("UPTP", 150), ("SPTP", 150), "equal", ("SSIM",)),
    )  # fmt: skip


# "In certain aspects", which are sharper edges and clearer thermal signatures.
_FIGURE3_CLAIMS = tuple(
    Claim(
        f"unpaired-is-ahead-at-step-{step}",
        "BSP 3.4.1, Figure 3",
        f"After {step} steps the CNN that trains on unpaired patches shows sharper edges.",
        _at("UPTP", step),
        _at("SPTP", step),
        "higher",
        ("VIF", "Qabf"),
    )
    for step in EARLY
)
FIGURE2_CLAIMS = {
    "bsp-cnn": (*_converges("cnn", "CNN"), *_FIGURE3_CLAIMS),
    "bsp-transformer": _converges("transformer", "Transformer"),
    "bsp-gan": _converges("gan", "GAN"),
}

_STRICT = ("SPTP MSRS+MSRS", 150)
# "The first five"; the printed SSIM of LLVIP with M3FD lies below that of the pairs.
_WELL_CROSSED = CROSSED[:5]
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
            FIVE if size < 150 else FOUR,
        )
        for size in _SIZES
    ),
    *(
        Claim(
            f"arbitrary-gains-more-of-{few}-than-of-{many}",
            "BSP 4.2.2, Table 3",
            f"Arbitrary pairing improves {few} patches by more per cent than {many}.",
            (f"APTP of {few}", few**2),
            (f"SPTP of {few}", few),
            "higher",
            (AVERAGE,),
            ((f"APTP of {many}", many**2), (f"SPTP of {many}", many)),
        )
        for few, many in pairwise(_SIZES)
    ),
)

TABLE4_CLAIMS = tuple(
    Claim(
        f"{name.lower()}-beats-ten-others",
        "BSP 4.3, Table 4",
        f"The {name} baseline scores higher than the best of ten other methods on all sets.",
        (f"bsp-{name.lower()}", TRAINABLE),
        ("best of ten others", 0),
        "higher",
        FIVE,
    )
    for name in ("CNN", "Transformer", "GAN")
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
        ("EN",),
    ),
    Claim(
        "without-intensity-texture-is-kept",
        _WHERE7,
        "Without the intensity term visible texture and content are kept.",
        _setting("IV"),
        _setting("I"),
        "higher",
        ("VIF", "Qabf"),
    ),
    *(
        Claim(
            f"all-terms-beat-{setting}",
            _WHERE7,
            f"All three terms together do best: against setting {named(setting)}.",
            _setting("V"),
            _setting(setting),
            "higher",
            FIVE,
        )
        for setting in ("I", "II", "III", "IV")
    ),
)


def _retrained(model: str, method: str) -> tuple[Claim, ...]:
    """Table 6 of one method; the text argues by the average improvement."""
    where = "BSP supplement 8.2, Table 6"
    return (
        Claim(f"{model}-gains-from-unpaired", where,
              f"{method} learns more from 15,000 unpaired relations than from 150 pairs.",
              ("UPTP", 15000), ("SPTP", 150), "higher", (*FIVE, AVERAGE)),
        Claim(f"{model}-unpaired-beats-hundred-fold-pairs", where,
              f"{method} learns more from them even than from 15,000 real pairs.",
              ("UPTP", 15000), ("SPTP", 15000), "higher", (AVERAGE,)),
    )  # fmt: skip


METHODS = {"cddfuse": "CDDFuse", "mmdrfuse": "MMDRFuse", "tgfuse": "TGFuse"}
TABLE6_CLAIMS = {model: _retrained(model, method) for model, method in METHODS.items()}
