"""The runs behind SSVIF's tables: fusion models trained with and without its framework.

A row's mode says what it is, as the paper's table does: "SeAFusion, SSVIF",
"UCW", "15 classes". `printed` gives a published table the same names.
"""

import dataclasses
from pathlib import Path

import pandas as pd

from fusionlib import published
from fusionlib.data.base import PatchSource, joined, patch_source
from fusionlib.errors import FusionError
from fusionlib.experiments.kept import Kept
from fusionlib.experiments.profiles import profile, seed_range
from fusionlib.experiments.row import Row
from fusionlib.experiments.ssvif_profiles import SSVIFSizes, ssvif_sizes
from fusionlib.losses import SeAFusionLoss, SSVIFLoss
from fusionlib.published import Table
from fusionlib.training import Consistency, Spec, open_run

MODEL = "ssvif"  # of the printed tables, whose rows differ otherwise
TITLES = {"swinfusion": "SwinFusion", "emma": "EMMA", "seafusion": "SeAFusion"}
ORIGINAL, FRAMEWORK = "original", "SSVIF"
OWN = "own training"  # of the model that stands for SSVIF
# Table III, experiment ii: the weighting, as printed.
WEIGHTINGS = {
    "fixed": "w_csc = 0.1",
    "ucw": "UCW",
    "dwa": "DWA",
    "segmif": "SegMiF",
    "gdwa": "GDWA",
}
WITHOUT_CSC, WITHOUT_STAGES = "w/o L_csc", "w/o 2-stage"
ALL = WEIGHTINGS["gdwa"]  # the row with everything, which the ablations refer to
COLOUR_WEIGHTS = (10, 20, 30)
CLASSES = (9, 15)
CHANNELS = {1: "single-channel", 3: "three-channel"}
# Of a model's own training what can be done here: EMMA's needs networks that were trained on
# what other methods make.
ORIGINALS = {
    "seafusion": SeAFusionLoss(),
    "swinfusion": SSVIFLoss(colour=0),  # whose first three factors are SwinFusion's
}


def frameworks(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table III, experiment i: each model by its own training, and by SSVIF.

    A model's own training sees grey images. SeAFusion's is its content loss:
    its semantic term needs labels. SwinFusion's is Eq. 3 without colour,
    which weighs both sources' SSIM alike, where SwinFusion's goes by their
    gradients. EMMA's is left out. SSVIF mirrors half of each batch left to
    right, a model's own training does not.

    Args:
        name: the profile.
        data: folder that holds the datasets.
        seeds: of the model that the ablations train; default the profile's.
            The others have one.
    """
    sizes = ssvif_sizes(name)
    rows = []
    for model in (sizes.model, *sizes.others):
        many = seed_range(seeds, sizes.seeds) if model == sizes.model else (0,)
        ways = {ORIGINAL: own_training} if model in ORIGINALS else {}
        for way, make in (ways | {FRAMEWORK: by_ssvif}).items():
            specs = [make(name, model, data, seed) for seed in many]
            rows.append(Row(f"{TITLES[model]}, {way}", 0, tuple(specs)))
    return rows


def methods(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Tables I and II: the profile's model by its own training and by SSVIF, others by SSVIF.

    Args: as `frameworks`.
    """
    main = TITLES[ssvif_sizes(name).model]
    known = {f"{main}, {ORIGINAL}": OWN, f"{main}, {FRAMEWORK}": FRAMEWORK}
    rows = []
    for row in frameworks(name, data, seeds):
        title, _, way = row.mode.partition(", ")
        if row.mode in known or way == FRAMEWORK:
            mode = known.get(row.mode, f"{FRAMEWORK} of {title}")
            rows.append(dataclasses.replace(row, mode=mode))
    return rows


def ablations(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table III, experiments ii to iv, of the profile's model. Args: as `frameworks`."""
    changes = {title: {"weighting": kind} for kind, title in WEIGHTINGS.items()}
    changes |= {WITHOUT_CSC: {"weighting": "none"}, WITHOUT_STAGES: {"two_stages": False}}
    return _rows(name, data, seeds, {title: {"game": game} for title, game in changes.items()})


def class_numbers(name: str, data: str | Path | None = None, seeds: int | None = None) -> list[Row]:
    """Table VI: classes of both segmentations. Args: as `frameworks`."""
    changes = {f"{count} classes": {"game": {"classes": count}} for count in CLASSES}
    return _appendix(name, data, seeds, changes)


def colour_weights(
    name: str, data: str | Path | None = None, seeds: int | None = None
) -> list[Row]:
    """Table VII: the colour term's factor lambda_4. Args: as `frameworks`."""
    changes = {f"colour {weight}": {"loss": SSVIFLoss(colour=weight)} for weight in COLOUR_WEIGHTS}
    return _appendix(name, data, seeds, changes)


def channel_numbers(
    name: str, data: str | Path | None = None, seeds: int | None = None
) -> list[Row]:
    """Table VIII: grey and colour images. Args: as `frameworks`."""
    changes = {title: {"channels": channels} for channels, title in CHANNELS.items()}
    return _appendix(name, data, seeds, changes)


def by_ssvif(
    name: str,
    model: str,
    data: str | Path | None = None,
    seed: int = 0,
    channels: int = 3,
    loss: SSVIFLoss | None = None,
    game: dict | None = None,
) -> Spec:
    """A training by SSVIF.

    Args:
        name: the profile.
        model: the fusion model.
        data: folder that holds the datasets.
        seed: of weights and draws.
        channels: of the images, 1 or 3.
        loss: the fusion loss; default Eq. 3 with the paper's factors.
        game: what the `Consistency` has else than the profile.
    """
    sizes = ssvif_sizes(name)
    usual = {"segmenter": sizes.segmenter, "patience": sizes.patience}
    beside = Consistency(**usual | (game or {}))
    return _spec(name, model, data, seed, channels, loss=loss or SSVIFLoss(), consistency=beside)


def own_training(name: str, model: str, data: str | Path | None = None, seed: int = 0) -> Spec:
    """A training by the model's own loss, see `frameworks`. Args: as `by_ssvif`."""
    return _spec(name, model, data, seed, 1, loss=ORIGINALS[model])


def length(rows: list[Row]) -> str:
    """How the rows are trained, and in how many channels, for captions."""
    kinds = {row.specs[0].model: row.specs[0] for row in rows}
    told = [
        f"{TITLES[model]} {spec.total_steps:,} steps, {spec.steps_per_epoch} an epoch, of"
        f" {spec.batch} patches of {spec.ir.patch}x{spec.ir.patch} of {spec.ir.where}"
        for model, spec in kinds.items()
    ]
    grey = [row.mode for row in rows if row.specs[0].channels == 1]
    if grey:
        told.append(f"in one channel, the visible chroma as it is: {', '.join(grey)}")
    return "; ".join(told)


def beside(model: str) -> str:
    """What Tables I and II lay beside each other, for captions.

    model: the one that is trained here.
    """
    labels = ", which had labels in the paper" if model == "seafusion" else ""
    ours = TITLES[model]
    return f"SSVIF: of SwinFusion in the paper, of {ours} here; own training: of {ours}{labels}"


def stages(rows: list[Row], kept: Path | None = None) -> pd.DataFrame:
    """The step that stage II began with, of each run that trains a consistency loss.

    NaN where the fusion loss never rose: such a run is stage I alone, and says
    nothing of SSVIF. What has no consistency loss by intent is left out.

    Args:
        rows: of a table, trained.
        kept: this table of before, for runs that are not in the store.

    Returns columns mode, seed, key, began. Raises FusionError for a run that is
    in neither.
    """
    before = Kept(kept).table
    told = {} if before is None else dict(zip(before["key"], before["began"], strict=True))

    def began(spec: Spec) -> float:
        run = open_run(spec)
        if run.finished:
            history = run.history()
            return history.loc[history["stage"] > 1, "step"].min()
        if spec.key not in told:
            raise FusionError(
                f"Run {spec.key} is not finished, and no table of before names it: train it first."
            )
        return told[spec.key]

    specs = [
        (row.mode, spec)
        for row in rows
        for spec in row.specs
        if spec.consistency and spec.consistency.weighting != "none"
    ]
    return pd.DataFrame(
        {"mode": mode, "seed": spec.seed, "key": spec.key, "began": began(spec)}
        for mode, spec in specs
    )


def printed(number: int, own: str = "swinfusion") -> Table:
    """Table I to III or VI to VIII with rows named as here.

    Tables III and VI to VIII were scored on FMB: they stand for every set,
    and a caption must say so. "SSVIF" and the ablations train SwinFusion in
    the paper.

    Args:
        number: of the table.
        own: whose row of Tables I and II is "own training". What the paper
            says of it is meant of SwinFusion; its SeAFusion learnt from
            labels.
    """
    table = published.load("ssvif", number)
    values = table.values
    modes = {
        1: lambda row: _method(row, own),
        2: lambda row: _method(row, own),
        3: _variant,
        6: lambda row: f"{row.classes} classes",
        7: lambda row: f"colour {row.colour_weight}",
        8: lambda row: row.channels_printed,
    }[number]
    values = values.assign(
        mode=[modes(row) for row in values.itertuples()], trainable=0, model=MODEL
    )
    if number > 2:
        sets = [values.assign(test_set=name) for name in ("MSRS", "FMB")]
        values = pd.concat(sets, ignore_index=True)
    return dataclasses.replace(table, values=values)


def _method(row, own: str) -> str:
    return {own: OWN, "ssvif": FRAMEWORK}.get(row.model, row.model_printed)


def _variant(row) -> str:
    if row.experiment == "i":
        return f"{TITLES[row.model]}, {ORIGINAL if row.variant == 'original' else FRAMEWORK}"
    others = {"without-csc": WITHOUT_CSC, "without-two-stage": WITHOUT_STAGES, "ssvif": "w/ all"}
    return (WEIGHTINGS | others)[row.variant]


def _rows(name: str, data, seeds: int | None, changes: dict[str, dict]) -> list[Row]:
    """A row a change of the profile's model."""
    sizes = ssvif_sizes(name)
    many = seed_range(seeds, sizes.seeds)
    return [
        Row(title, 0, tuple(by_ssvif(name, sizes.model, data, seed, **change) for seed in many))
        for title, change in changes.items()
    ]


def _appendix(name: str, data, seeds: int | None, changes: dict[str, dict]) -> list[Row]:
    """The same for Tables VI to VIII; one row of each is the SSVIF of the other tables."""
    sizes = ssvif_sizes(name)
    usual = by_ssvif(name, sizes.model, data).key
    rows = []
    for row in _rows(name, data, seeds, changes):
        many = len(row.specs) if seeds or row.specs[0].key == usual else sizes.appendix_seeds
        rows.append(dataclasses.replace(row, specs=row.specs[:many]))
    return rows


def _spec(name: str, model: str, data, seed: int, channels: int, **rest) -> Spec:
    sizes = ssvif_sizes(name)
    return Spec(
        model=model,
        ir=_source(sizes, data, "ir"),
        vi=_source(sizes, data, "vi", colour=channels == 3),
        relation="strict",
        batch=sizes.batch,
        lr=sizes.lr,
        precision=profile(name).precision,
        channels=channels,
        seed=seed,
        **sizes.length(model),
        **rest,
    )


def _source(sizes: SSVIFSizes, data, modality: str, colour: bool = False) -> PatchSource:
    sets = [images.open(data, sizes.size) for images in sizes.train]
    cuts = [
        patch_source(pairs, modality, sizes.patch, sizes.stride, colour=colour) for pairs in sets
    ]
    return joined(*cuts)
