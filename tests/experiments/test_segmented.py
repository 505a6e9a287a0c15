"""Segmenters of fused runs: one a run, from the same weights, and IoU that tables can take."""

import dataclasses

import pandas as pd
import pytest

from fusionlib import experiments, report
from fusionlib.experiments import Row, segmented
from fusionlib.experiments.sizes import TestSet
from fusionlib.experiments.ssvif_profiles import SSVIF
from fusionlib.report.segment_panels import class_colours
from fusionlib.training import open_run
from tests.training.small import go, tiny

SIZES = dataclasses.replace(
    SSVIF["smoke"].segmenters,
    learnt=TestSet("scenes", ("0000D", "0001N", "0002D", "0003N")),
    first={"steps": 1},
    length={"steps": 1},
    models=("bsp-cnn",),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="module")
def how():
    return segmented.segmented(SIZES)


@pytest.fixture(scope="module")
def specs(store, how):
    run = go(tiny(steps=1))
    others = Row("SwinFusion", 0, (tiny(model="swinfusion", steps=1),))
    rows = [Row("fused", 0, (run.spec,)), others]
    return {("mean of both", 0, 0): how.spec("mean")} | how.specs(rows)


@pytest.fixture(scope="module")
def counts(how, specs):
    return segmented.measure_segments(how, specs)


def test_a_missing_fusion_run_is_trained_first(how, store):
    spec = tiny(steps=2)
    shown = {("fused", 0, 0): how.spec(spec.key)}
    found = segmented.measure_segments(how, shown, [Row("fused", 0, (spec,))])
    assert open_run(spec).finished
    assert len(found) == len(how.scored)


def test_both_parts_are_other_images(how):
    assert not set(how.learnt.names) & set(how.scored.names)
    assert len(how.learnt) + len(how.scored) == 4
    apart = dataclasses.replace(SIZES, scored=TestSet("scenes", ("0007N",)))
    assert segmented.segmented(apart).scored.names == ("0007N",)
    assert len(segmented.segmented(apart).learnt) == 4


def test_each_segmenter_begins_with_the_first_one(how, specs):
    # Of a model that takes too long there is none.
    assert list(specs) == [("mean of both", 0, 0), ("fused", 0, 0)]
    for spec in specs.values():
        assert spec.weights == how.first.key
        assert spec.source.names == how.learnt.names
    assert specs["fused", 0, 0].source.images == tiny(steps=1).key
    assert how.first.source.images == "mixes"
    assert how.first.weights is None


def test_rows_hold_pixels_of_every_class(how, counts):
    assert counts["image"].tolist() == [*how.scored.names] * 2
    pixels = counts.filter(regex="^(tp|fn) ").sum(axis=1)
    assert set(pixels) == {64 * 96}
    assert list(counts)[:6] == ["test_set", "mode", "trainable", "seed", "key", "image"]


def test_iou_can_be_compared_and_judged(counts):
    iou = segmented.iou_rows(counts)
    assert "Background" in iou
    assert "tp car" not in iou
    comparison = report.compare_tables([iou], ["fused", "mean of both"], None, "", ("fused", 0))
    miou = comparison[(comparison["metric"] == "mIoU") & (comparison["mode"] == "fused")]
    parts = counts[counts["mode"] == "fused"]
    from fusionlib.segmenting import iou_table

    assert miou["ours"].item() == pytest.approx(100 * iou_table(parts)["mIoU"].item())
    claim = experiments.ssvif_claims.Claim(
        "c", "w", "s", ("fused", 0), ("mean of both", 0), "higher", ("mIoU",)
    )
    (row,) = experiments.judge(iou, (claim,), None, "").itertuples()
    assert row.images == 2


def test_rows_made_elsewhere_are_read(how, specs, counts, tmp_path, monkeypatch):
    report.write_table(counts, tmp_path / "segments.csv.gz")
    used = [open_run(spec) for spec in specs.values()]
    report.write_record(tmp_path, {}, {}, [how.scored], used)
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "elsewhere"))
    again = segmented.measure_segments(how, specs, kept=tmp_path / "segments.csv.gz")
    pd.testing.assert_frame_equal(again, counts)
    assert not list((tmp_path / "elsewhere").rglob("*.safetensors"))


def test_panels_show_labels_and_findings(store, how, specs, tmp_path):
    shown = {mode: spec for (mode, _, _), spec in specs.items()}
    scene = how.scored.select([segmented.most_labelled(how.scored)])
    figure = report.segment_panels(shown, scene, "rendered scenes", tmp_path / "s.png")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == ["labels", "mean of both", "fused"]
    assert "car" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert (tmp_path / "s.png").stat().st_size > 10_000


def test_classes_have_colours_of_their_own():
    colours = class_colours(15)
    assert len({tuple(colour) for colour in colours}) == 15
    assert tuple(colours[0]) == (0, 0, 0)
