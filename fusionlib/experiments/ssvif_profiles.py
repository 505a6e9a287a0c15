"""How much work SSVIF's tables do in each profile."""

from dataclasses import dataclass

from fusionlib.experiments.profiles import PROFILES, profile, quick_names
from fusionlib.experiments.sizes import TestSet


@dataclass(frozen=True)
class Segmenters:
    """How fused images are segmented.

    The paper fine-tunes a segmenter whose weights are not public, on what
    each method makes of the training images. Here that segmenter is trained
    first, on random mixes of both sources (see `mixed`): one that had learnt
    a single kind of image would like best those that resemble it.

    Args:
        learnt: labelled images to learn from.
        scored: those to score on; None cuts `learnt` in two halves, one for
            each, see `fusionlib.data.halves`.
        scenes: (height, width) of rendered scenes; None for files.
        size: (height, width) that a segmenter sees.
        encoder: SegFormer's size.
        batch: images a step.
        first, first_lr, first_balance: of the training on mixes: its length as
            a spec takes it, its learning rate, and how much rare classes count
            more. From drawn weights and few images a network calls all
            unlabelled for long, unless they do.
        length, lr, balance, frozen: of a fine-tuning. An encoder that is barely
            trained must not stand still.
        precision, patience, augment: see `SegmenterSpec`.
        models: fusion models whose images are segmented; others take too long.
    """

    learnt: TestSet
    scored: TestSet | None
    scenes: tuple[int, int] | None
    size: tuple[int, int]
    encoder: str
    batch: int
    first: dict[str, int]
    first_lr: float
    first_balance: float
    length: dict[str, int]
    lr: float
    balance: float
    frozen: float
    precision: str
    patience: int | None
    augment: bool
    models: tuple[str, ...]


@dataclass(frozen=True)
class SSVIFSizes:
    """Sizes of SSVIF's tables in one profile.

    Args:
        train: images that fusion learns from, without labels.
        size: (height, width) of rendered scenes; None for files.
        model: the fusion model of the ablations.
        patch, stride: side of a patch and distance between two, in pixels.
        pairs: patches drawn an epoch. Stage I ends with the first epoch whose
            mean loss is above the last one's, so few patches end it by chance.
        batch: patches a step.
        steps: of a training; None trains for `epochs`.
        epochs: see `steps`.
        patience: see `Consistency`.
        segmenter: the size of S, which trains beside the fusion model.
        lr: of all of them.
        seeds: of each row of Tables I to III.
        appendix_seeds: of those that Tables VI to VIII have beside.
        others: further models -> what their trainings have else, of `pairs`
            and `steps`.
        tests: images that fusion is scored on.
        panel: the one that figures show.
        segmenters: how fused images are segmented.
    """

    train: tuple[TestSet, ...]
    size: tuple[int, int] | None
    model: str
    patch: int
    stride: int
    pairs: int
    batch: int
    steps: int | None
    epochs: int | None
    patience: int | None
    segmenter: str
    lr: float
    seeds: int
    appendix_seeds: int
    others: dict[str, dict[str, int]]
    tests: TestSet
    panel: str
    segmenters: Segmenters

    def length(self, model: str) -> dict[str, int]:
        """How long a model trains, and its epochs, as a spec takes it."""
        length = {"steps": self.steps} if self.steps else {"epochs": self.epochs}
        return {"pairs": self.pairs} | length | self.others.get(model, {})


_SCENES = tuple(f"{k:04d}{'DN'[k % 2]}" for k in range(8))

SSVIF = {
    "smoke": SSVIFSizes(
        train=(
            TestSet("scenes", _SCENES[:2], split="train"),
            TestSet("scenes", _SCENES[2:4], split="train"),
        ),
        size=(168, 224),  # MS-SSIM needs 161 pixels
        model="seafusion",
        patch=32,
        stride=56,
        pairs=4,
        batch=4,
        steps=6,  # an epoch each, so that stage II begins
        epochs=None,
        patience=None,
        segmenter="b0",
        lr=1e-4,
        seeds=1,
        appendix_seeds=1,
        others={"emma": {"steps": 2}},
        tests=TestSet("scenes", _SCENES[1:4:2]),
        panel=_SCENES[1],
        segmenters=Segmenters(
            learnt=TestSet("scenes", _SCENES),
            scored=None,
            scenes=(64, 96),
            size=(32, 48),
            encoder="b0",
            batch=2,
            first={"steps": 4},
            first_lr=1e-3,
            first_balance=1.0,
            length={"steps": 2},
            lr=3e-4,
            balance=0.5,
            frozen=0.0,
            precision="float32",
            patience=None,
            augment=True,
            models=("seafusion", "emma"),
        ),
    ),
    "quick": SSVIFSizes(
        train=(
            TestSet("MSRS", PROFILES["quick"].wide, split="train"),
            TestSet("RoadScene", quick_names("RoadScene")),
        ),
        size=None,
        model="seafusion",
        patch=96,
        stride=96,
        pairs=400,
        batch=4,
        steps=2400,  # after 1,200 three channels are still grey
        epochs=None,
        patience=None,
        segmenter="b0",
        lr=5e-4,
        seeds=2,
        appendix_seeds=1,
        # At 0.7 and 9 s a step; short epochs, or stage II would not begin.
        others={"emma": {"steps": 600, "pairs": 80}, "swinfusion": {"steps": 120, "pairs": 40}},
        tests=PROFILES["quick"].tests[0],
        panel="00802N",
        segmenters=Segmenters(
            learnt=TestSet("MSRS", quick_names("MSRS_labelled")),
            scored=None,
            scenes=None,
            size=(240, 320),
            encoder="b0",
            batch=4,
            first={"steps": 5000},
            first_lr=1e-3,
            first_balance=1.0,
            length={"steps": 400},
            lr=3e-4,
            balance=0.5,
            frozen=0.0,
            precision="bfloat16",
            patience=None,
            augment=True,
            models=("seafusion", "emma"),
        ),
    ),
    "paper": SSVIFSizes(
        train=(TestSet("MSRS", split="train"),),
        size=None,
        model="swinfusion",
        patch=160,
        stride=80,
        pairs=1083,
        batch=10,
        steps=None,
        epochs=110,
        patience=10,
        segmenter="b3",
        lr=1e-4,
        seeds=2,
        appendix_seeds=2,
        others={"seafusion": {}, "emma": {}},
        tests=TestSet("MSRS"),
        panel="00802N",
        segmenters=Segmenters(
            learnt=TestSet("MSRS", split="train"),
            scored=TestSet("MSRS"),
            scenes=None,
            size=(480, 640),
            encoder="b3",
            batch=12,
            first={"epochs": 80},
            first_lr=5e-4,
            first_balance=0.0,
            length={"epochs": 80},
            lr=5e-4,
            balance=0.0,
            frozen=0.375,
            precision="float32",
            patience=10,
            augment=False,
            models=("swinfusion", "seafusion", "emma"),
        ),
    ),
}


def ssvif_sizes(name: str) -> SSVIFSizes:
    """The sizes of a profile, by name; FusionError for another name."""
    return SSVIF[profile(name).name]
