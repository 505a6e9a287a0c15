"""How much work each profile does; never which code it runs.

smoke   rendered scenes, seconds: for tests and a first run
quick   real images, sized for a CPU of two cores
paper   the papers' own sizes, for a GPU
"""

import tomllib
from importlib import resources

from fusionlib.errors import FusionError
from fusionlib.experiments.sizes import (
    MoreTables,
    OtherBase,
    Profile,
    Questions,
    Retraining,
    Table4,
    TestSet,
)

# The ten images of the 150-patch base, the same in `quick` and `paper`: of
# the first MSRS training images every third, as the papers' ten are not named.
BASE_IMAGES = (
    "00001D", "00005N", "00009N", "00013N", "00017N",
    "00021N", "00025N", "00029N", "00033N", "00037N",
)  # fmt: skip


# Ten night images of MSRS, and four of the day.
_NIGHT = (*BASE_IMAGES[1:], "00003N")
_DAY = ("00001D", "00002D", "00556D", "00633D")
_RENDERED = tuple(f"{k:04d}{'DN'[k % 2]}" for k in range(10))
_BASES = {size: size for size in (15, 30, 60, 150)}

TABLE4_SETS = ("MSRS", "LLVIP", "RoadScene", "TNO")
TABLE4_PANELS = {"MSRS": "00004N", "LLVIP": "260510", "RoadScene": "FLIR_05914", "TNO": "18"}


def quick_names(name: str) -> tuple[str, ...]:
    """A list of image names that `quick` is held to, whatever else is in the folder."""
    text = resources.files(__package__).joinpath("quick_images.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)[name])


_PAPER_TABLE1 = (TestSet("MSRS"), TestSet("LLVIP", most=250), TestSet("M3FD", most=420))
_PAPER_TABLE4 = tuple(TestSet(name, most=250 if name == "LLVIP" else None) for name in TABLE4_SETS)

PROFILES = {
    "smoke": Profile(
        name="smoke",
        train="scenes",
        base=("0000D", "0001N", "0002D"),
        wide=("0000D", "0001N", "0002D", "0003N"),
        wide_stride=24,
        wide_note="4 scenes",
        patch=32,
        size=(128, 192),
        small=(64, 96),
        pairs={150: 16, 7500: 32, 15000: 64},
        epochs=15,
        equal_steps=True,
        seeds=2,
        precision="float32",
        tests=(TestSet("scenes", ("0001N", "0003N")),),
        brief=(TestSet("scenes", ("0001N", "0003N")),),
        curve=TestSet("scenes", ("0000D", "0001N")),
        few=TestSet("scenes", ("0000D", "0001N")),
        panel="0001N",
        abnormal=("scenes", "0003N"),
        steps=60,
        workers=1,
        table4=Table4(
            ir=TestSet("scenes", ("0004D", "0005N", "0006D")),
            ir_stride=32,
            ir_first=None,
            ir_note="other scenes",
            seeds=1,
            games=1,
            steps=20,
            tests=(TestSet("scenes", ("0000D", "0001N")),),
            present=(TestSet("scenes", ("0000D", "0001N", "0003N")),),
            panels={"scenes": "0001N"},
        ),
        more=MoreTables(
            steps=4,
            game_steps=4,
            repeated=(),
            others={
                "M3FD": OtherBase(TestSet("scenes", ("0004D", "0005N", "0006D")), 32, None),
                "LLVIP": OtherBase(TestSet("scenes", ("0007N", "0008D", "0009N")), 32, None),
            },
            bases={15: 8, 30: 10, 60: 12, 150: 16},
            half=36,
        ),
        questions=Questions(
            epochs=1,
            night=("0001N", "0003N"),
            day=("0000D", "0002D"),
            rendered=("0004D", "0005N"),
            rendered_size=(128, 192),
        ),
        # TGFuse has 137 million parameters: too many for a trial.
        table6={
            "cddfuse": Retraining(32, 4, 2, 5e-4),
            "mmdrfuse": Retraining(32, 8, 6, 1e-3),
        },
        table6_tests=(TestSet("scenes", ("0001N", "0003N")),),
    ),
    "quick": Profile(
        name="quick",
        train="MSRS",
        base=BASE_IMAGES,
        wide=quick_names("MSRS_wide"),
        wide_stride=20,
        wide_note="34 scenes",
        patch=128,
        size=None,
        small=None,
        pairs={150: 150, 7500: 7500, 15000: 15000},
        epochs=100,
        equal_steps=True,
        seeds=3,
        precision="bfloat16",
        tests=tuple(TestSet(name, quick_names(name)) for name in ("MSRS", "LLVIP", "M3FD")),
        brief=(
            TestSet("MSRS", quick_names("MSRS")),
            TestSet("LLVIP", quick_names("LLVIP")[::2]),  # of 1024 x 1280 pixels
            TestSet("M3FD", quick_names("M3FD")),
        ),
        curve=TestSet("MSRS", quick_names("MSRS_curve")),
        few=TestSet("MSRS", quick_names("MSRS_few")),
        panel="00004N",
        abnormal=("M3FD", "00388"),  # fog
        steps=300,
        workers=None,
        table4=Table4(
            ir=TestSet("M3FD", quick_names("M3FD")),
            ir_stride=128,
            ir_first=None,
            ir_note="four images of M3FD, which are test images of Table 1 and of no set here",
            seeds=1,
            games=3,
            steps=None,
            tests=tuple(TestSet(name, quick_names(name)) for name in TABLE4_SETS),
            present=tuple(TestSet(name) for name in TABLE4_SETS),
            panels=TABLE4_PANELS,
        ),
        more=MoreTables(
            steps=800,
            game_steps=400,
            # Its seed 0 learns the negative of its sources first.
            repeated=(("bsp-transformer", "UPTP", 15000),),
            others={
                "M3FD": OtherBase(TestSet("M3FD", quick_names("M3FD")), 128, 150),
                "LLVIP": OtherBase(TestSet("LLVIP", most=10), 256, 150),
            },
            bases=_BASES,
            half=75,
        ),
        questions=Questions(
            epochs=5, night=_NIGHT, day=_DAY, rendered=_RENDERED, rendered_size=(480, 640)
        ),
        table6={
            "cddfuse": Retraining(64, 4, 200, 5e-4),
            "mmdrfuse": Retraining(128, 8, 800, 1e-3),
            "tgfuse": Retraining(128, 4, 400, 1e-4),
        },
        table6_tests=(
            TestSet("MSRS", quick_names("MSRS")),
            TestSet("LLVIP", quick_names("LLVIP")[::6]),  # CDDFuse takes minutes for each
        ),
    ),
    "paper": Profile(
        name="paper",
        train="MSRS",
        base=BASE_IMAGES,
        wide=None,
        wide_stride=128,
        wide_note="all scenes",
        patch=128,
        size=None,
        small=None,
        pairs={150: 150, 7500: 7500, 15000: 15000},
        epochs=100,
        equal_steps=False,
        seeds=3,
        precision="float32",
        tests=_PAPER_TABLE1,
        brief=_PAPER_TABLE1,
        curve=TestSet("MSRS"),
        few=TestSet("MSRS"),
        panel="00004N",
        abnormal=("M3FD", "00388"),  # fog
        steps=300,
        workers=None,
        table4=Table4(
            # Ten images of 1024x768 give 15 patches each at this distance, as the paper's ten
            # images of 640x480 do side by side; two more are there for images of another size.
            ir=TestSet("M3FD", most=12),
            ir_stride=224,
            ir_first=150,
            ir_note="ten images spread over M3FD, whose choice the paper does not state",
            seeds=1,
            games=1,
            steps=None,
            tests=_PAPER_TABLE4,
            present=_PAPER_TABLE4,
            panels=TABLE4_PANELS,
        ),
        more=MoreTables(
            steps=None,
            game_steps=None,
            repeated=(),
            others={
                # The first 150 patches: ten images of M3FD give 15 each at this distance, and of
                # LLVIP, whose images are larger, eight give 20 each. The others are spare.
                "M3FD": OtherBase(TestSet("M3FD", most=12), 224, 150),
                "LLVIP": OtherBase(TestSet("LLVIP", most=12), 256, 150),
            },
            bases=_BASES,
            half=75,
        ),
        questions=Questions(
            epochs=10, night=_NIGHT, day=_DAY, rendered=_RENDERED, rendered_size=(480, 640)
        ),
        table6={
            "cddfuse": Retraining(128, 8, None, 1e-4),
            "mmdrfuse": Retraining(128, 25, None, 1e-4),
            "tgfuse": Retraining(128, 16, None, 1e-4),
        },
        table6_tests=_PAPER_TABLE1[:2],
    ),
}


def seed_range(given: int | None, usual: int) -> range:
    """Seeds 0, 1, ...: as many as given, or as usual for None and 0."""
    if given is not None and given < 0:
        raise FusionError(f"seeds is 1 or more, or 0 for the profile's number, not {given}.")
    return range(given or usual)


def profile(name: str) -> Profile:
    """A profile by name; FusionError for another name."""
    if name not in PROFILES:
        raise FusionError(f"profile is one of {', '.join(PROFILES)}, not {name!r}.")
    return PROFILES[name]
