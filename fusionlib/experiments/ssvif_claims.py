"""What SSVIF says in words or by bold print of its tables, as claims that rows of numbers decide.

Those about segmentation ask for mIoU alone, the others for fusion metrics:
both are scored on different images, so each is judged by its own rows.
"""

from fusionlib.experiments import ssvif
from fusionlib.experiments.claims import Claim

MIOU, COLOUR = ("mIoU",), ("ΔE",)
NO_EFFECT = "no effect"  # a row of zeros
_OWN, _SSVIF, _ALL = (ssvif.OWN, 0), (ssvif.FRAMEWORK, 0), (ssvif.ALL, 0)


def _higher(name: str, where: str, says: str, row, against, metrics) -> Claim:
    return Claim(f"ssvif-{name}", f"SSVIF {where}", says, row, against, "higher", metrics)


METHODS_SEGMENT = (
    _higher("segments-better-than-own-training", "IV-C, Table I",
            "Trained by SSVIF, SwinFusion's fused images segment better than by its own loss.",
            _SSVIF, _OWN, MIOU),
    _higher("finds-more-people", "IV-C, Figure 3 (MSRS)",
            "Pedestrians in its fused images are found better than after the model's own loss.",
            _SSVIF, _OWN, ("Person",)),
    _higher("finds-road-curves", "IV-C, Figure 3 (MSRS)",
            "Road curves in its fused images are found better than after the model's own loss.",
            _SSVIF, _OWN, ("Curve",)),
)  # fmt: skip
METHODS_FUSE = (
    _higher("first-in-ssim", "IV-D, Table II",
            "It preserves structure: its SSIM is higher than by the model's own loss.",
            _SSVIF, _OWN, ("SSIM",)),
    _higher("keeps-information", "IV-D, Table II",
            "Its MI and VIF are higher than by the model's own loss.",
            _SSVIF, _OWN, ("MI", "VIF")),
    _higher("keeps-edges", "IV-D, Table II",
            "Its Qabf and MS-SSIM are higher than by SwinFusion's own loss.",
            _SSVIF, _OWN, ("Qabf", "MS-SSIM")),
    # Less is better: the first row is the one that should differ more.
    _higher("keeps-colour", "IV-D, Table II",
            "Its colours differ less from the visible image's than by SwinFusion's own loss.",
            _OWN, _SSVIF, COLOUR),
)  # fmt: skip


def _framework(model: str) -> tuple[tuple[str, int], tuple[str, int]]:
    title = ssvif.TITLES[model]
    return (f"{title}, {ssvif.FRAMEWORK}", 0), (f"{title}, {ssvif.ORIGINAL}", 0)


FRAMEWORK_SEGMENTS = tuple(
    _higher(f"helps-{model}-segment", "IV-E, Table III (FMB), experiment i",
            f"{ssvif.TITLES[model]} trained by SSVIF gives images that segment better than by its"
            " own loss (SeAFusion's: with labels in the paper, without here).",
            *_framework(model), MIOU)
    for model in ssvif.ORIGINALS
)  # fmt: skip
FRAMEWORK_FUSES = tuple(
    claim
    for model in ssvif.ORIGINALS
    for claim in (
        _higher(f"helps-{model}-keep-texture", "IV-E, Table III (FMB), experiment i",
                f"{ssvif.TITLES[model]} trained by SSVIF preserves texture better.",
                *_framework(model), ("Qabf",)),
        _higher(f"helps-{model}-keep-colour", "IV-E, Table III (FMB), experiment i",
                f"{ssvif.TITLES[model]} trained by SSVIF preserves colour better.",
                *reversed(_framework(model)), COLOUR),
    )
)  # fmt: skip
_OTHERS = {kind: (title, 0) for kind, title in ssvif.WEIGHTINGS.items() if title != ssvif.ALL}
# The columns in which Table III prints more for GDWA than for the other weighting.
_BETTER = {
    "fixed": ("MI", "SSIM"),
    "ucw": ("MI", "Qabf", "SSIM"),
    "dwa": ("MI", "Qabf", "SSIM"),
    "segmif": ("MI", "Qabf", "SSIM"),
}
ABLATIONS_SEGMENT = (
    *(
        _higher(f"gdwa-segments-better-than-{kind}", "IV-E, Table III (FMB), experiment ii",
                f"Balanced by GDWA, fused images segment better than with {row[0]}.",
                _ALL, row, MIOU)
        for kind, row in _OTHERS.items()
    ),
    _higher("csc-helps-segmentation", "IV-E, Table III (FMB), experiment iii",
            "Without the consistency loss fused images segment worse.",
            _ALL, (ssvif.WITHOUT_CSC, 0), MIOU),
    _higher("stages-help-segmentation", "IV-E, Table III (FMB), experiment iv",
            "Trained in one stage fused images segment worse.",
            _ALL, (ssvif.WITHOUT_STAGES, 0), MIOU),
)  # fmt: skip
ABLATIONS_FUSE = (
    *(
        _higher(f"gdwa-fuses-better-than-{kind}", "IV-E, Table III (FMB), experiment ii",
                f"Balanced by GDWA, fusion itself is better than with {row[0]}.",
                _ALL, row, _BETTER[kind])
        for kind, row in _OTHERS.items()
    ),
    _higher("csc-helps-fusion", "IV-E, Table III (FMB), experiment iii, bold print",
            "Without the consistency loss MI and Qabf are lower.",
            _ALL, (ssvif.WITHOUT_CSC, 0), ("MI", "Qabf")),
    _higher("csc-costs-colour", "Table III (FMB), experiment iii, printed cells",
            "Without the consistency loss colours change less.",
            _ALL, (ssvif.WITHOUT_CSC, 0), COLOUR),
    _higher("stages-help-fusion", "IV-E, Table III (FMB), experiment iv",
            "Trained in one stage MI, Qabf and SSIM are lower.",
            _ALL, (ssvif.WITHOUT_STAGES, 0), ("MI", "Qabf", "SSIM")),
)  # fmt: skip
CLASSES_SEGMENT = (
    _higher("fifteen-classes-segment-better", "appendix B-A, Table VI (FMB)",
            "Fifteen classes of the two segmentations are better than nine.",
            ("15 classes", 0), ("9 classes", 0), MIOU),
)  # fmt: skip
CLASSES_FUSE = (
    _higher("fifteen-classes-keep-structure", "Table VI (FMB), printed cells",
            "With fifteen classes SSIM is higher than with nine.",
            ("15 classes", 0), ("9 classes", 0), ("SSIM",)),
)  # fmt: skip
COLOUR_SEGMENT = tuple(
    _higher(f"colour-20-segments-better-than-{other}", "appendix B-A, Table VII (FMB)",
            f"The colour weight 20 gives images that segment better than {other}.",
            ("colour 20", 0), (f"colour {other}", 0), MIOU)
    for other in (10, 30)
)  # fmt: skip
COLOUR_FUSES = (
    *(
        _higher(f"colour-20-fuses-better-than-{other}", "appendix B-A, Table VII (FMB)",
                f"The colour weight 20 fuses better than {other}.",
                ("colour 20", 0), (f"colour {other}", 0), ("MI", "Qabf", "SSIM"))
        for other in (10, 30)
    ),
    *(
        _higher(f"colour-{more}-keeps-colour", "Table VII (FMB), printed cells",
                f"With the colour weight {more} colours change less than with {less}.",
                (f"colour {less}", 0), (f"colour {more}", 0), COLOUR)
        for less, more in ((10, 20), (20, 30))
    ),
)  # fmt: skip
_THREE, _ONE = ((ssvif.CHANNELS[count], 0) for count in (3, 1))
CHANNELS_SEGMENT = (
    _higher("three-channels-segment-better", "appendix B-B, Table VIII (FMB)",
            "Fusing in three channels gives images that segment better than in one.",
            _THREE, _ONE, MIOU),
)  # fmt: skip
CHANNELS_FUSE = (
    _higher("three-channels-look-better", "appendix B-B, Table VIII (FMB)",
            "Fusing in three channels improves visual quality.",
            _THREE, _ONE, ("MI", "Qabf", "SSIM", "MS-SSIM")),
    _higher("one-channel-keeps-colour", "Table VIII (FMB), printed cells",
            "In one channel colours change less.",
            _THREE, _ONE, COLOUR),
)  # fmt: skip
GRADIENTS = (
    _higher("tasks-pull-together", "IV-F",
            "Over a training the consistency loss pulls as the fusion loss does.",
            _SSVIF, (NO_EFFECT, 0), ("projection",)),
)  # fmt: skip
