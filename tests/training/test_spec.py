"""The spec: what it refuses, how long it trains, and the key that names its run."""

import copy
import dataclasses
import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlib.data.base import PatchSource, joined
from fusionlib.errors import FusionError
from fusionlib.losses import (
    EQ19,
    Adversarial,
    BSPLoss,
    CDDFuseLoss,
    MMDRFuseContent,
    MMDRFuseLoss,
    TGFuseLoss,
)
from fusionlib.training import Spec
from fusionlib.training.consistency import Consistency

IR, VI = (
    PatchSource(side, "MSRS", "train", ("00001D", "00005N"), fingerprint * 4)
    for side, fingerprint in (("ir", "0a1b"), ("vi", "2c3d"))
)
SPEC = Spec("bsp-cnn", IR, VI, relation="unpaired", pairs=150, epochs=100)

# Another value for every field: all of them can change a number.
OTHERS = {
    Spec: {
        "model": "emma", "ir": VI, "vi": IR, "relation": "strict", "pairs": 151, "epochs": 101,
        "redraw": False, "seed": 1, "loss": BSPLoss(ssim=0.3), "batch": 4, "lr": 1e-3,
        "precision": "bfloat16", "channels": 3, "adversarial": Adversarial(), "shards": 2,
        "consistency": Consistency(), "options": (("region", 16),),
    },
    PatchSource: {
        "modality": "vi", "dataset": "FMB", "split": "test", "images": ("00005N", "00001D"),
        "fingerprint": "0" * 16, "patch": 64, "stride": 64, "first": 20, "size": (64, 96),
        "colour": True, "more": IR,
    },
    BSPLoss: {"intensity": 2.0, "gradient": 0.0, "ssim": 0.0, "form": "paper"},
    Adversarial: {
        "factor": 0.02, "mask": "binary", "regularisation": ("penalty", 10.0), "strength": 5.0,
        "critic_lr": 1e-3,
    },
}  # fmt: skip


def adversarial(name, value):
    # Some regularisations need a strength, and a strength needs one of them.
    if name == "regularisation":
        return Adversarial(regularisation=value[0], strength=value[1])
    if name == "strength":
        return Adversarial(regularisation="penalty", strength=value)
    return Adversarial(**{name: value})


def changed(kind, name, value):
    if name in (
        "channels",
        "colour",
        "consistency",
        "options",
    ):  # not allowed alone: past the check
        other = copy.copy(SPEC)
        if kind is PatchSource:
            name, value = "vi", dataclasses.replace(VI, colour=True)
        object.__setattr__(other, name, value)
        return other
    if kind is Spec:
        return dataclasses.replace(SPEC, **{name: value})
    if kind is Adversarial:
        return dataclasses.replace(SPEC, adversarial=adversarial(name, value))
    fields = ("ir", "vi") if kind is PatchSource else ("loss",)
    parts = {f: dataclasses.replace(getattr(SPEC, f), **{name: value}) for f in fields}
    return dataclasses.replace(SPEC, **parts)


def test_the_key_does_not_move():
    # Who changes this literal renames every run that was ever trained.
    assert SPEC.key == "40bdec82f659"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"model": "bsp-gan"}, "40c957d0aaad"),
        ({"loss": EQ19}, "b109a967b459"),
        ({"loss": BSPLoss(form="paper"), "model": "bsp-transformer"}, "01b2fc51ebe0"),
        ({"adversarial": Adversarial(0.1)}, "4e00c50eefa4"),
        ({"seed": 3, "lr": 1e-3, "shards": 2}, "c3bb111cb623"),
    ],
)
def test_keys_from_before_there_were_other_losses(values, key):
    assert dataclasses.replace(SPEC, **values).key == key


def test_where_images_lie_is_not_part_of_the_key():
    placed = dataclasses.replace(SPEC, ir=dataclasses.replace(IR, folder="/elsewhere"))
    assert placed == SPEC
    assert placed.key == SPEC.key
    assert [f.name for f in dataclasses.fields(PatchSource) if not f.compare] == ["folder"]


# Another value for every field of the losses of published methods.
LOSSES = {
    "cddfuse": (
        CDDFuseLoss,
        {
            "ssim": 1, "square": 2, "vi_gradient": 1, "intensity": 2, "gradient": 1,
            "decomposition": 1, "first_phase": 0.5, "halvings": 5, "floor": 1e-7, "clip": 1,
        },
    ),
    "mmdrfuse": (
        MMDRFuseLoss,
        {
            "intensity": 2, "perceptual": 1, "gradient": 1, "distillation": 1, "refresh": 1,
            "teacher": (1, 1, 1), "teacher_share": 0.4, "vgg19": "vgg19.pth",
        },
    ),
    "mmdrfuse-teacher": (
        MMDRFuseContent,
        {"intensity": 1, "perceptual": 2, "gradient": 1, "vgg19": "vgg19.pth"},
    ),
    "tgfuse": (TGFuseLoss, {"ssim": 2, "distance": 2, "vgg16": "vgg16.pth", "form": "paper"}),
}  # fmt: skip


@pytest.mark.parametrize("model", LOSSES)
def test_every_field_of_a_methods_loss_moves_the_key(model):
    kind, others = LOSSES[model]
    assert set(others) == {item.name for item in dataclasses.fields(kind)}
    losses = [kind(), *(kind(**{name: value}) for name, value in others.items()), BSPLoss()]
    keys = {dataclasses.replace(SPEC, model=model, loss=loss).key for loss in losses}
    assert len(keys) == len(losses)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for kind, others in OTHERS.items() for name, value in others.items()],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_every_field_moves_the_key(kind, name, value):
    other = changed(kind, name, value)
    before = dataclasses.replace(SPEC, adversarial=Adversarial()) if kind is Adversarial else SPEC
    assert other.key != before.key
    assert len(other.key) == 12


def test_a_gan_takes_critics_of_itself():
    gan = dataclasses.replace(SPEC, model="bsp-gan")
    assert gan.adversarial == Adversarial()
    assert gan.key == dataclasses.replace(gan, adversarial=Adversarial()).key
    assert SPEC.adversarial is None


def test_no_field_is_forgotten_above():
    for kind, others in OTHERS.items():
        # What equality passes over says where something lies, and moves no key.
        names = {item.name for item in dataclasses.fields(kind) if item.compare}
        assert names - set(others) == ({"steps"} if kind is Spec else set())
    steps = dataclasses.replace(SPEC, epochs=None, steps=1800)
    assert steps.key != SPEC.key


def test_a_field_of_a_later_version_renames_no_run():
    @dataclass(frozen=True)
    class Later(Spec):
        momentum: float = 0.0

    values = {item.name: getattr(SPEC, item.name) for item in dataclasses.fields(SPEC)}
    assert Later(**values).key == SPEC.key
    assert Later(**values, momentum=0.9).key != SPEC.key


def test_defaults_that_are_written_out_change_nothing():
    written = Spec(
        "bsp-cnn", dataclasses.replace(IR, patch=128, stride=128, first=None, size=None), VI,
        "unpaired", 150, epochs=100, steps=None, redraw=True, seed=0,
        loss=BSPLoss(1.0, 1.0, 0.2, "released"), batch=8, lr=1e-4, precision="float32", channels=1,
    )  # fmt: skip
    assert written == SPEC
    assert written.key == SPEC.key


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        dataclasses.replace(SPEC, loss=BSPLoss(ssim=0.0, form="paper"), lr=3e-4, seed=7),
        dataclasses.replace(SPEC, ir=dataclasses.replace(IR, size=(64, 96), first=12)),
        dataclasses.replace(SPEC, channels=3, vi=dataclasses.replace(VI, colour=True)),
        dataclasses.replace(SPEC, ir=joined(IR, IR, IR), vi=joined(VI, VI, VI)),
        dataclasses.replace(SPEC, model="bsp-gan"),
        dataclasses.replace(SPEC, adversarial=Adversarial(0.1, "none", "clip", 0.01, 1e-5)),
    ],
)
def test_json_and_back(spec):
    again = Spec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.key == spec.key


def test_the_incomplete_batch_is_dropped():
    assert SPEC.steps_per_epoch == 18
    assert SPEC.total_steps == 1800
    steps = dataclasses.replace(SPEC, epochs=None, steps=25, pairs=15_000)
    assert steps.steps_per_epoch == 1875
    assert steps.total_steps == 25


def test_snapshots_of_the_papers_training():
    assert SPEC.snapshots == (
        20, 40, 80, 150, 160, 300, 320, 450, 600, 640, 750, 900, 1050, 1200, 1280, 1350, 1500,
        1650, 1800,
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(total=st.integers(1, 200_000))
def test_snapshots_end_with_the_last_step(total):
    snapshots = dataclasses.replace(SPEC, epochs=None, steps=total).snapshots
    assert snapshots[-1] == total
    assert snapshots[0] >= 1
    assert list(snapshots) == sorted(set(snapshots))
    assert len(snapshots) <= 12 + 14


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 100}, "either epochs or steps"),
        ({"epochs": None}, "either epochs or steps"),
        ({"epochs": 0}, "at least one step, not 0"),
        ({"epochs": None, "steps": 0}, "at least one step, not 0"),
        ({"epochs": None, "steps": -5}, "at least one step, not -5"),
        ({"precision": "float16"}, "float32, bfloat16, not 'float16'"),
        ({"batch": 0}, "batch=0 does not fit pairs=150"),
        ({"batch": 151}, "batch=151 does not fit pairs=150"),
        ({"pairs": 7}, "batch=8 does not fit pairs=7"),
        ({"model": "bsp-rnn"}, "no model 'bsp-rnn'"),
        ({"relation": "loose"}, "no relation 'loose'"),
        ({"loss": dict}, "BSPLoss or SeAFusionLoss or SSVIFLoss, not a type"),
        ({"adversarial": 0.01}, "Adversarial or None, not a float"),
        ({"adversarial": Adversarial(), "channels": 3}, "channels=1"),
        ({"seed": -1}, "seed is 0 or more, not -1"),
        ({"vi": dataclasses.replace(VI, patch=64)}, "patches of one size, not 128 and 64"),
        ({"channels": 3}, "channels=3 does not fit vi.colour=False"),
        ({"vi": dataclasses.replace(VI, colour=True)}, "channels=1 does not fit vi.colour=True"),
        ({"relation": "strict", "vi": joined(VI, VI)}, "same images"),
        (
            {"relation": "strict", "vi": dataclasses.replace(VI, images=("00005N", "00001D"))},
            "same images",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        dataclasses.replace(SPEC, **values)


def test_a_spec_from_before_the_critics_is_still_read():
    values = SPEC.to_dict()
    del values["adversarial"]
    assert Spec.from_dict(values) == SPEC
