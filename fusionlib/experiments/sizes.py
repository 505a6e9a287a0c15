"""What a profile says: which images, how many, how long."""

from dataclasses import dataclass
from pathlib import Path

from fusionlib.data import PairSet, open_pairs


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
