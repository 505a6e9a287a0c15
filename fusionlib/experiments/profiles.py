"""How much work each profile does; never which code it runs.

smoke   rendered scenes, seconds: for tests and a first run
quick   real images, sized for a CPU of two cores
paper   the papers' own sizes, for a GPU
"""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fusionlib.data import PairSet, open_pairs
from fusionlib.errors import FusionError

# The ten images of the 150-patch base, the same in `quick` and `paper`: of
# the first MSRS training images every third, as the papers' ten are not named.
BASE_IMAGES = (
    "00001D", "00005N", "00009N", "00013N", "00017N",
    "00021N", "00025N", "00029N", "00033N", "00037N",
)  # fmt: skip


@dataclass(frozen=True)
class TestSet:
    """Images of one set: those named, or `most` of them spread over all names.

    A split other than "test" is there to learn from.
    """

    dataset: str
    names: tuple[str, ...] | None = None
    most: int | None = None
    split: str = "test"

    __test__ = False  # no test case, whatever pytest thinks of the name

    def open(self, data: str | Path | None, size: tuple[int, int] | None = None) -> PairSet:
        """The chosen pairs, each read once: a bad file is named before training starts."""
        pairs = open_pairs(self.dataset, self.split, data, self.names, size)
        if self.most and self.most < len(pairs):
            chosen = [pairs.names[k * len(pairs) // self.most] for k in range(self.most)]
            pairs = pairs.select(chosen)
        return pairs.verify()


@dataclass(frozen=True)
class Table4:
    """Sizes of Table 4 in one profile; all else is as in the other tables.

    Args:
        ir: the infrared images of its base; the visible ones are those of the
            150-patch base.
        ir_stride: distance of infrared patches, in pixels.
        ir_first: how many infrared patches are kept; None keeps all.
        ir_note: which they are, for captions.
        seeds: trainings of each baseline.
        games: trainings of the GAN whose critics are followed.
        steps: of a training; None takes as many as Table 1's row of that T.
        tests: what our networks are scored on.
        present: what the authors' weights are scored on, the same sets.
        panels: data set -> the image that figures show.
    """

    ir: TestSet
    ir_stride: int
    ir_first: int | None
    ir_note: str
    seeds: int
    games: int
    steps: int | None
    tests: tuple[TestSet, ...]
    present: tuple[TestSet, ...]
    panels: dict[str, str]


@dataclass(frozen=True)
class OtherBase:
    """Patches of another data set than the base's: which images, how they are cut.

    Args:
        images: which ones.
        stride: distance of patches, in pixels.
        first: how many patches are kept; None keeps all.
    """

    images: TestSet
    stride: int
    first: int | None


@dataclass(frozen=True)
class MoreTables:
    """Sizes of Tables 2, 3, 5 and 7 in one profile.

    Args:
        steps: of every training, and of Table 1's Transformer; None trains
            for the profile's epochs.
        game_steps: of Table 1's GAN, whose critics make a step three times as
            long; None as `steps`.
        repeated: rows of Table 1 (model, mode, T) with as many seeds as those
            of the smallest T, since one alone was not like the others.
        others: data set -> its base of 150 patches.
        bases: patches of Table 3's bases, by the size that the paper prints.
        half: patches that stand for the 75 of Table 5.
    """

    steps: int | None
    game_steps: int | None
    repeated: tuple[tuple[str, str, int], ...]
    others: dict[str, OtherBase]
    bases: dict[int, int]
    half: int


@dataclass(frozen=True)
class Questions:
    """Sizes of the open questions in one profile.

    Args:
        epochs: of T and of ten times T, where both take as many.
        night, day: images of the training set by the light that they show.
        rendered: rendered scenes that stand for another world.
        rendered_size: their (height, width).
    """

    epochs: int
    night: tuple[str, ...]
    day: tuple[str, ...]
    rendered: tuple[str, ...]
    rendered_size: tuple[int, int]


@dataclass(frozen=True)
class Retraining:
    """How a published method is trained anew.

    Args:
        patch: side of a patch.
        batch: pairs a step.
        steps: of a training; None trains for the profile's epochs.
        lr: Adam's learning rate; short trainings need a higher one than the
            published.
    """

    patch: int
    batch: int
    steps: int | None
    lr: float


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


@dataclass(frozen=True)
class Profile:
    """Sizes of one profile.

    Args:
        train: dataset whose train split gives the base.
        base: images of the 150-patch base, by name.
        wide: images of the 15,000-patch base; None takes all.
        wide_stride: distance of its patches, in pixels.
        wide_note: where they come from, for captions.
        patch: side of a patch.
        size: (height, width) of rendered scenes; None for files.
        small: the same, for networks as heavy as Table 6's.
        pairs: T of a row, by the T that the paper prints.
        epochs: of a row whose T is the base's size.
        equal_steps: whether larger T take the same number of steps rather
            than the same number of epochs.
        seeds: how many for the rows whose T is the base's size.
        precision: of the network in training.
        tests: the test sets that tables are scored on.
        brief: the same with fewer of the large images, for networks that
            take longer than the CNN.
        curve: the test set of the curves during training.
        few: images of the first test set where no verdict depends on them.
        panel: the first test set's image that figures show.
        abnormal: (test set, image) of a scene that the visible camera hardly
            sees, for Table 1's figures.
        steps: of the first training, in start_here.
        workers: trainings at once; 1 trains in the notebook's own process,
            None takes as many as the machine has room for.
        table4: of Table 4, whose infrared images come from another set.
        more: of Tables 2, 3, 5 and 7.
        questions: of what the paper leaves open.
        table6: published methods that are trained anew.
        table6_tests: what they are scored on.
    """

    name: str
    train: str
    base: tuple[str, ...]
    wide: tuple[str, ...] | None
    wide_stride: int
    wide_note: str
    patch: int
    size: tuple[int, int] | None
    small: tuple[int, int] | None
    pairs: dict[int, int]
    epochs: int
    equal_steps: bool
    seeds: int
    precision: str
    tests: tuple[TestSet, ...]
    brief: tuple[TestSet, ...]
    curve: TestSet
    few: TestSet
    panel: str
    abnormal: tuple[str, str]
    steps: int
    workers: int | None
    table4: Table4
    more: MoreTables
    questions: Questions
    table6: dict[str, Retraining]
    table6_tests: tuple[TestSet, ...]

    def title(self, pairs: PairSet) -> str:
        """What stands under a figure of `pairs`: rendered images say so."""
        return "rendered scenes" if pairs.dataset == "scenes" else pairs.dataset

    def caption(self, protocol: str, convention: str) -> str:
        """What a reader must know beside any number of this profile."""
        rendered = ", rendered scenes" if self.train == "scenes" else ""
        return f"profile {self.name}{rendered}; protocol {protocol}; convention {convention}"

    def length(self, trainable: int, batch: int) -> dict[str, int]:
        """How long a row of that T is trained: {"epochs": ...} or {"steps": ...}."""
        smallest = self.pairs[min(self.pairs)]
        if self.equal_steps and self.pairs[trainable] > smallest:
            return {"steps": self.epochs * (smallest // batch)}
        return {"epochs": self.epochs}


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
