"""A segmenter's spec: what it refuses, its key, its length, and the way to JSON and back."""

import dataclasses
import json

import pytest
from PIL import Image

from fusionlib.data import open_folders, open_pairs
from fusionlib.errors import FusionError
from fusionlib.training import LabelledSource, SegmenterSpec, Spec, labelled_source
from fusionlib.training.store import spec_of
from tests.training.small import LABELLED, tiny, tiny_segmenter

SOURCE = LabelledSource("40bdec82f659", "MSRS", "test", ("00004N", "00012N"), "0a1b" * 4)
SPEC = SegmenterSpec(SOURCE, (240, 320), epochs=20, batch=2)

# Another value for every field: all of them can change a number.
SOURCES = {
    "images": "0123456789ab", "dataset": "FMB", "split": "train", "names": ("00012N", "00004N"),
    "fingerprint": "0" * 16, "protocol": "released", "step": 20, "size": (64, 96),
}  # fmt: skip
OTHERS = {
    "size": (480, 640), "encoder": "b0", "epochs": 21, "batch": 1, "lr": 1e-3, "seed": 1,
    "precision": "bfloat16", "shards": 2, "weights": "b3.safetensors",
    "augment": True, "balance": 0.5,
}  # fmt: skip
BEGUN = {"frozen": 0.5, "thawed_lr": 1e-5}  # fields of a training that begins with weights
LONG = dataclasses.replace(
    SPEC, source=dataclasses.replace(SOURCE, names=tuple(f"{i:05d}D" for i in range(25)))
)


def test_the_key_does_not_move():
    # Who changes this literal renames every segmenter that was ever trained.
    assert SPEC.key == "773090352890"


def test_every_field_moves_the_key():
    names = {item.name for item in dataclasses.fields(SegmenterSpec)}
    assert names == {*OTHERS, *BEGUN, "source", "steps", "patience"}
    assert set(SOURCES) == {item.name for item in dataclasses.fields(LabelledSource)}
    begun = dataclasses.replace(SPEC, weights="b3.safetensors")
    specs = [
        SPEC,
        LONG,
        dataclasses.replace(SPEC, epochs=None, steps=20),
        dataclasses.replace(LONG, patience=10),
        *(dataclasses.replace(SPEC, **{name: value}) for name, value in OTHERS.items()),
        *(dataclasses.replace(begun, **{name: value}) for name, value in BEGUN.items()),
        *(
            dataclasses.replace(SPEC, source=dataclasses.replace(SOURCE, **{name: value}))
            for name, value in SOURCES.items()
        ),
    ]
    assert len({spec.key for spec in specs}) == len(specs)
    assert all(len(spec.key) == 12 for spec in specs)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        dataclasses.replace(LONG, patience=3),
        dataclasses.replace(SPEC, weights="b3.safetensors"),
    ],
)
def test_json_and_back(spec):
    values = json.loads(json.dumps(spec.to_dict()))
    assert values["kind"] == "segmenter"
    for again in (spec_of(values), SegmenterSpec.from_dict(values)):
        assert again == spec
        assert hash(again) == hash(spec)
        assert again.key == spec.key


def test_a_spec_without_a_kind_is_a_fusion():
    spec = tiny()
    assert "kind" not in spec.to_dict()
    assert spec_of(spec.to_dict()) == spec_of({"kind": "fusion", **spec.to_dict()}) == spec
    assert isinstance(spec_of(spec.to_dict()), Spec)
    with pytest.raises(FusionError, match="no training of kind 'detector'; it is fusion or segm"):
        spec_of({"kind": "detector"})


def test_lengths():
    assert (LONG.trained, LONG.steps_per_epoch, LONG.total_steps) == (25, 12, 240)
    assert LONG.snapshots == (240,)
    patient = dataclasses.replace(LONG, patience=10)
    assert (patient.held_out, patient.trained, patient.total_steps) == (2, 23, 220)
    assert LONG.frozen_steps == 0
    # 30 of 80 epochs.
    begun = dataclasses.replace(LONG, weights="b3.safetensors", epochs=80)
    assert begun.frozen_steps == 30 * begun.steps_per_epoch


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": "b2"}, "encoder is one of b0, b1, b3, not 'b2'"),
        ({"size": (240, 31)}, r"32 pixels or more, not \(240, 31\)"),
        ({"size": (240,)}, "a height and a width"),
        ({"batch": 3}, "batch=3 does not fit 2 images"),
        ({"batch": 0}, "batch=0 does not fit 2 images"),
        ({"steps": 10}, "either epochs or steps"),
        ({"epochs": 0}, "at least one step, not 0"),
        ({"seed": -1}, "seed is 0 or more"),
        ({"precision": "float16"}, "float32, bfloat16"),
        ({"shards": 3}, "shards=3 does not divide batch=2"),
        ({"frozen": 0.5}, "frozen and thawed_lr are for an encoder with weights"),
        ({"thawed_lr": 1e-5}, "frozen and thawed_lr are for an encoder with weights"),
        ({"weights": "b3.safetensors", "frozen": 1.0}, "frozen is a share below 1, not 1.0"),
        ({"balance": 1.5}, "balance goes from 0 to 1, not 1.5"),
        ({"patience": 10}, "over 10 images or more, not 10 over 2"),
        ({"patience": 0}, "patience is 1 or more epochs"),
    ],
)
def test_what_cannot_be_trained_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        dataclasses.replace(SPEC, **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"images": "fused"},
            "'ir', 'vi', 'mean', 'mixes', the key of a run or a folder, not 'fused'",
        ),
        ({"images": "vi", "protocol": "released"}, "leave them out for 'vi'"),
        ({"images": "ir", "step": 20}, "leave them out for 'ir'"),
        ({"protocol": "best"}, "no protocol 'best'"),
        ({"dataset": "TNO"}, "TNO has no labelled classes"),
    ],
)
def test_what_cannot_be_shown_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        dataclasses.replace(SOURCE, **values)


def test_two_names_of_a_protocol_are_one():
    spelled = dataclasses.replace(SOURCE, protocol="released+stretch")
    assert spelled == dataclasses.replace(SOURCE, protocol="released")


# --- a source from pairs ----------------------------------------------------------------------


def test_a_source_describes_its_pairs():
    source = labelled_source("vi", LABELLED)
    assert (source.images, source.dataset, source.split) == ("vi", "scenes", "train")
    assert source.names == LABELLED.names
    assert (source.fingerprint, source.size) == (LABELLED.fingerprint, (64, 96))
    assert source != labelled_source("vi", LABELLED.select(["0000D"]))


def test_a_run_goes_by_its_key():
    class Run:
        key = "0123456789ab"

    source = labelled_source(Run(), LABELLED, "released", 40)
    assert (source.images, source.protocol, source.step) == ("0123456789ab", "released", 40)
    assert source.of_run
    assert source == labelled_source("0123456789ab", LABELLED, "released", 40)


def test_a_folder_is_known_by_its_images_bytes(tmp_path, monkeypatch):
    for name in LABELLED.names:
        Image.new("L", (96, 64), 50).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path.parent)
    source = labelled_source(tmp_path.name, LABELLED)
    assert source.images == str(tmp_path)
    assert not source.of_run
    assert source.short_name == tmp_path.name
    assert source == labelled_source(tmp_path, LABELLED)
    Image.new("L", (96, 64), 51).save(tmp_path / "0003N.png")
    changed = labelled_source(tmp_path, LABELLED)
    assert changed.fingerprint != source.fingerprint
    assert dataclasses.replace(changed, fingerprint=source.fingerprint) == source
    (tmp_path / "0004D.png").unlink()
    with pytest.raises(FusionError, match=r"lacks 1 of the pairs' images \(0004D\)"):
        labelled_source(tmp_path, LABELLED)


def test_folders_of_ones_own_have_no_classes(tmp_path):
    ir, vi = LABELLED.write(tmp_path)
    with pytest.raises(FusionError, match="folder has no labelled classes"):
        labelled_source("vi", open_folders(ir, vi))


def test_bytes_of_labels_are_part_of_the_source(tmp_path):
    for part in ("ir", "vi", "Segmentation_labels"):
        (tmp_path / "MSRS/test" / part).mkdir(parents=True)
        Image.new("L", (8, 6)).save(tmp_path / "MSRS/test" / part / "00001D.png")
    before = labelled_source("vi", open_pairs("MSRS", data=tmp_path))
    Image.new("L", (8, 6), 1).save(tmp_path / "MSRS/test/Segmentation_labels/00001D.png")
    assert labelled_source("vi", open_pairs("MSRS", data=tmp_path)) != before


def test_how_it_is_called():
    spec = tiny_segmenter()
    assert spec.title == "segformer-b0 on vi seed 0"
    assert spec.step_kind == "segformer-b0 float32 2x32x48"
    assert spec.listed.startswith("segformer-b0  on vi  6 images 32x48  scenes  4 steps")
    assert spec.brief == {"model": "segformer-b0", "seed": 0, "images": "vi"}
    assert SPEC.brief["images"] == "40bdec82f659"
    assert SPEC.brief["protocol"] == "plain"
