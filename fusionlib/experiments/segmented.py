"""How well fused images can be segmented: a segmenter a fusion run, and its IoU.

As SSVIF does (section IV-C, appendix A-B): every method's segmenter begins
with the same weights, learns from what the method made of the training
images, and is scored on what it makes of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from fusionlib.data import PairSet
from fusionlib.data.halves import halves
from fusionlib.data.labels import labels_of
from fusionlib.experiments.kept import Kept
from fusionlib.experiments.measure import train_all
from fusionlib.experiments.row import Row
from fusionlib.experiments.ssvif_profiles import Segmenters
from fusionlib.segmenting import iou_by_image, segment_scores
from fusionlib.training import SegmenterSpec, labelled_source, open_run
from fusionlib.training.labelled_source import MIXES

PROTOCOL = "plain"  # of the images that segmenters see
# Sources by themselves, and what no network made, as rows of Table I.
UNFUSED = {"infrared": "ir", "visible": "vi", "mean of both": "mean"}
# Classes as the paper prints them.
PRINTED = {
    "unlabelled": "Background",
    "car": "Car",
    "person": "Person",
    "bike": "Bike",
    "curve": "Curve",
    "bump": "Bump",
}
INDEX = ["test_set", "mode", "trainable", "seed", "key"]


@dataclass(frozen=True)
class Segmented:
    """Labelled images, and the segmenters that rows are measured by.

    Args:
        learnt, scored: the images of both parts.
        sizes: of the profile.
        first: the training that all others begin with.
    """

    learnt: PairSet
    scored: PairSet
    sizes: Segmenters
    first: SegmenterSpec

    def spec(self, images: str, seed: int = 0) -> SegmenterSpec:
        """The fine-tuning on "ir", "vi", "mean", or what a run's key names."""
        how, source = self.sizes, labelled_source(images, self.learnt, PROTOCOL)
        return SegmenterSpec(
            source,
            how.size,
            how.encoder,
            **how.length,
            batch=how.batch,
            lr=how.lr,
            seed=seed,
            weights=self.first.key,
            frozen=how.frozen,
            precision=how.precision,
            patience=how.patience,
            augment=how.augment,
            balance=how.balance,
        )

    def specs(self, rows: Sequence[Row]) -> dict[tuple[str, int, int], SegmenterSpec]:
        """(mode, trainable, seed) -> its segmenter, of rows that are segmented here."""
        return {
            (row.mode, row.trainable, spec.seed): self.spec(spec.key, spec.seed)
            for row in rows
            for spec in row.specs
            if spec.model in self.sizes.models
        }

    def told(self, counts: pd.DataFrame) -> str:
        """What a reader must know beside any mIoU, with what a row must beat.

        counts: what `measure_segments` returned.
        """
        one = counts[counts["key"] == counts["key"].iloc[0]]
        names = [column.removeprefix("tp ") for column in counts if column.startswith("tp ")]
        pixels = [(one[f"tp {name}"] + one[f"fn {name}"]).sum() for name in names]
        shown = sum(count > 0 for count in pixels)
        least = 100 * pixels[0] / sum(pixels) / shown
        return f"mIoU: {self.caption}; to call every pixel unlabelled gives {least:.1f}"

    @property
    def caption(self) -> str:
        """What a reader must know beside any of its numbers."""
        how = self.sizes
        height, width = how.size
        return (
            f"SegFormer-{how.encoder.upper()} at {height}x{width}, {_told(how.first)} on random"
            f" mixes of both sources, then {_told(how.length)} on each row's images, of {how.batch}"
            f"{', augmented' if how.augment else ''}"
            f"{', rare classes weighted' if how.balance else ''};"
            f" {len(self.learnt)} images to learn from, {len(self.scored)} to score"
        )


def segmented(sizes: Segmenters, data: str | Path | None = None) -> Segmented:
    """The labelled images of a profile in two parts, and the first segmenter.

    Args:
        sizes: of the profile.
        data: folder that holds the datasets.
    """
    learnt = sizes.learnt.open(data, sizes.scenes)
    if sizes.scored is None:
        one, other = halves(learnt)
        learnt, scored = learnt.select(one), learnt.select(other)
    else:
        scored = sizes.scored.open(data, sizes.scenes)
    first = SegmenterSpec(
        labelled_source(MIXES, learnt),
        sizes.size,
        sizes.encoder,
        **sizes.first,
        batch=sizes.batch,
        lr=sizes.first_lr,
        precision=sizes.precision,
        patience=sizes.patience,
        augment=sizes.augment,
        balance=sizes.first_balance,
    )
    return Segmented(learnt, scored, sizes, first)


def measure_segments(
    how: Segmented,
    specs: Mapping[tuple[str, int, int], SegmenterSpec],
    rows: Sequence[Row] = (),
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
) -> pd.DataFrame:
    """Pixels of every class rightly and wrongly found: a row an image and segmenter.

    Trains what is missing, and first the fusion runs that it needs.

    Args:
        how: what `segmented` returned.
        specs: (mode, trainable, seed) -> segmenter, see `Segmented.specs`.
        rows: of fusion runs, those that segmenters are shown among them.
        data: folder that holds the datasets.
        workers: trainings at once, see `train_all`.
        kept: a table of before, for segmenters that are not in the store.

    Returns columns test_set, mode, trainable, seed, key (the segmenter's),
    image, and "tp CLASS", "fp CLASS", "fn CLASS".
    """
    before = Kept(kept)
    missing = {name: spec for name, spec in specs.items() if not open_run(spec).finished}
    known = {name: before.scores(spec.key, how.scored) for name, spec in missing.items()}
    todo = [spec for name, spec in missing.items() if known[name] is None]
    if todo:
        shown = {spec.source.images for spec in todo}
        fusing = [spec for row in rows for spec in row.specs if spec.key in shown]
        train_all([*fusing, how.first], data, workers)
        train_all(todo, data, workers)
    parts = []
    for name, spec in specs.items():
        counted = known.get(name)
        if counted is None:
            counted = segment_scores(open_run(spec), how.scored)
        mode, trainable, seed = name
        where = {"test_set": how.scored.dataset, "mode": mode, "trainable": trainable}
        parts.append(counted.assign(**where, seed=seed, key=spec.key))
    table = pd.concat(parts, ignore_index=True)
    first = [*INDEX, "image"]
    return table[[*first, *table.columns.difference(first, sort=False)]]


def iou_rows(counts: pd.DataFrame) -> pd.DataFrame:
    """IoU as `compare` and `judge` take it: a row an image, in per cent.

    counts: what `measure_segments` returned.

    Returns columns test_set, mode, trainable, seed, key, image, the classes as
    the paper prints them, and mIoU, see `segmenting.iou_by_image`.
    """
    parts = []
    for names, rows in counts.groupby(INDEX, sort=False):
        shares = iou_by_image(rows).rename(columns=PRINTED)
        parts.append(shares.assign(**dict(zip(INDEX, names, strict=True))))
    table = pd.concat(parts, ignore_index=True)
    return table[[*INDEX, *table.columns.difference(INDEX, sort=False)]]


def _told(length: dict[str, int]) -> str:
    """A length as people read it: "1,200 steps"."""
    ((unit, count),) = length.items()
    return f"{count:,} {unit}"


def most_labelled(pairs: PairSet) -> str:
    """The name of the pair with the most classes, and of these with the most labelled pixels."""
    counts = [labels_of(pair, pairs.dataset) for pair in pairs]
    return max(zip(counts, pairs.names, strict=True), key=lambda one: _shown(one[0]))[1]


def _shown(labels: Tensor) -> tuple[int, int]:
    return len(labels.unique()), int((labels > 0).sum())
