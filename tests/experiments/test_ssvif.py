"""SSVIF's rows and printed tables, without training; efficiency; gradients."""

import dataclasses
import math
from types import SimpleNamespace

import pandas as pd
import pytest

from fusionlib import experiments, report
from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.errors import FusionError
from fusionlib.experiments import ssvif, ssvif_claims, ssvif_efficiency, ssvif_gradients
from fusionlib.experiments.claims import Claim
from fusionlib.experiments.ssvif_profiles import SSVIF, ssvif_sizes
from fusionlib.losses import SeAFusionLoss, SSVIFLoss
from fusionlib.training import Consistency

CLAIMS = [claim for name in vars(ssvif_claims) if isinstance(getattr(ssvif_claims, name), tuple)
          for claim in getattr(ssvif_claims, name) if isinstance(claim, Claim)]  # fmt: skip


@pytest.fixture(params=["smoke", "quick"])
def profile(request, monkeypatch):
    """Rows of `quick` without its images: rendered patches in their place."""
    if request.param == "quick":
        pairs = open_pairs("scenes", "train", names=["0000D"], size=(192, 192))
        cut = {
            side: patch_source(pairs, side, 96, 96, colour=side == "vi") for side in ("ir", "vi")
        }

        def source(sizes, data, modality, colour=False):
            return dataclasses.replace(cut[modality], colour=colour)

        monkeypatch.setattr(ssvif, "_source", source)
    return request.param


def differences(spec, other):
    """Fields of a spec, and of its consistency, that differ."""
    fields = [field.name for field in dataclasses.fields(spec)]
    found = {name for name in fields if getattr(spec, name) != getattr(other, name)}
    if "consistency" in found:
        found.remove("consistency")
        one, two = spec.consistency, other.consistency
        names = [field.name for field in dataclasses.fields(one)]
        found |= {name for name in names if getattr(one, name) != getattr(two, name)}
    return found


def test_ablations_change_what_they_say(profile):
    rows = {row.mode: row.specs for row in ssvif.ablations(profile)}
    seeds = ssvif_sizes(profile).seeds
    assert {len(specs) for specs in rows.values()} == {seeds}
    whole = rows.pop(ssvif.ALL)[0]
    assert whole.consistency == Consistency(segmenter="b0")
    assert (whole.channels, whole.vi.colour, whole.loss) == (3, True, SSVIFLoss())
    for mode, (spec, *_) in rows.items():
        wanted = {"two_stages"} if mode == ssvif.WITHOUT_STAGES else {"weighting"}
        assert differences(spec, whole) == wanted
    assert rows["w_csc = 0.1"][0].consistency.omega == 0.1
    assert rows[ssvif.WITHOUT_CSC][0].consistency.weighting == "none"
    assert len({spec.key for specs in rows.values() for spec in specs}) == len(rows) * seeds


def test_table_3_has_eight_configurations_of_two_seeds_at_quick(profile):
    if profile != "quick":
        pytest.skip("of quick alone")
    main = ssvif_sizes(profile).model
    rows = [*ssvif.frameworks(profile), *ssvif.ablations(profile)]
    keys = {spec.key for row in rows for spec in row.specs if spec.model == main}
    assert len(keys) == 8 * 2
    assert ssvif_sizes(profile).batch == 4
    assert {spec.ir.patch for row in rows for spec in row.specs} == {96}


def test_the_whole_method_is_one_training_whatever_a_table_calls_it(profile):
    (main,) = [row for row in ssvif.methods(profile) if row.mode == ssvif.FRAMEWORK]
    assert main.label == "SSVIF"  # no T behind it
    named = {
        ssvif.ablations: ssvif.ALL,
        ssvif.class_numbers: "15 classes",
        ssvif.colour_weights: "colour 20",
        ssvif.channel_numbers: "three-channel",
    }
    for make, mode in named.items():
        (row,) = [row for row in make(profile) if row.mode == mode]
        assert row.specs == main.specs


def test_further_tables_change_what_they_say(profile):
    for make, field in ((ssvif.class_numbers, "classes"), (ssvif.colour_weights, "loss")):
        first, *others = make(profile)
        for row in others:
            assert differences(row.specs[0], first.specs[0]) == {field}
    grey, colour = (row.specs[0] for row in ssvif.channel_numbers(profile))
    assert differences(grey, colour) == {"channels", "vi"}
    assert (grey.channels, grey.vi.colour) == (1, False)
    weights = [row.specs[0].loss.colour for row in ssvif.colour_weights(profile)]
    assert weights == [10, 20, 30]


def test_own_training_sees_grey_images_and_no_segmentation(profile):
    rows = {row.mode: row.specs[0] for row in ssvif.frameworks(profile)}
    own = rows["SeAFusion, original"]
    assert (own.channels, own.consistency, own.loss) == (1, None, SeAFusionLoss())
    assert "EMMA, SSVIF" in rows
    assert "EMMA, original" not in rows  # it can't be reproduced here
    sizes = ssvif_sizes(profile)
    assert rows["SeAFusion, SSVIF"].total_steps == sizes.steps
    assert rows["EMMA, SSVIF"].total_steps == sizes.others["emma"]["steps"]


def test_appendix_rows_have_fewer_seeds_but_for_the_one_that_is_ssvif(profile):
    sizes = ssvif_sizes(profile)
    (whole,) = (row for row in ssvif.ablations(profile) if row.mode == ssvif.ALL)
    usual = {spec.key for spec in whole.specs}
    for make in (ssvif.class_numbers, ssvif.colour_weights, ssvif.channel_numbers):
        counts = [len(row.specs) for row in make(profile)]
        trained = [{spec.key for spec in row.specs} == usual for row in make(profile)]
        assert sum(trained) == 1
        assert counts == [sizes.seeds if same else sizes.appendix_seeds for same in trained]
        assert {len(row.specs) for row in make(profile, seeds=2)} == {2}


def test_seeds_can_be_given(profile):
    assert {len(row.specs) for row in ssvif.ablations(profile, seeds=3)} == {3}
    assert [spec.seed for spec in ssvif.ablations(profile, seeds=3)[0].specs] == [0, 1, 2]


@pytest.mark.parametrize("name", SSVIF)
def test_sizes_follow_the_paper_where_it_says_them(name):
    sizes = SSVIF[name]
    assert sizes.tests.split == "test"
    if name == "paper":
        assert (sizes.patch, sizes.batch, sizes.epochs, sizes.patience) == (160, 10, 110, 10)
        assert (sizes.lr, sizes.segmenter, sizes.model) == (1e-4, "b3", "swinfusion")
        how = sizes.segmenters
        assert (how.encoder, how.batch, how.lr, how.patience) == ("b3", 12, 5e-4, 10)
        assert (how.frozen, how.first_balance, how.balance) == (30 / 80, 0, 0)


@pytest.mark.parametrize(
    ("number", "mode", "metric", "value"),
    [
        (1, "SSVIF", "mIoU", 76.17),
        (1, "own training", "Person", 72.31),
        (2, "SSVIF", "ΔE", 2.57),
        (2, "own training", "SSIM", 0.89),
        (3, "SwinFusion, original", "mIoU", 61.3),
        (3, "SeAFusion, SSVIF", "MI", 4.21),
        (3, "GDWA", "mIoU", 62.1),
        (3, "w_csc = 0.1", "ΔE", 4.16),
        (3, "w/o L_csc", "mIoU", 61.5),
        (3, "w/o 2-stage", "Qabf", 0.69),
        (6, "15 classes", "SSIM", 1.02),
        (7, "colour 30", "ΔE", 4.17),
        (8, "single-channel", "SSIM", 0.96),
    ],
)
def test_printed_rows_have_our_names(number, mode, metric, value):
    cells = ssvif.printed(number).values.query("test_set == 'MSRS' and mode == @mode")
    assert cells.set_index("metric").loc[metric, "value"] == value
    assert set(cells["trainable"]) == {0}


def test_own_training_is_the_printed_row_of_the_model_that_is_trained():
    own = ssvif.printed(2, "seafusion").values.query("test_set == 'MSRS' and mode == @ssvif.OWN")
    assert own.set_index("metric").loc["VIF", "value"] == 0.97
    assert "had labels" in ssvif.beside("seafusion")
    assert "labels" not in ssvif.beside("swinfusion")


def test_captions_tell_who_fuses_in_one_channel():
    told = ssvif.length(ssvif.frameworks("smoke"))
    assert "in one channel, the visible chroma as it is: SeAFusion, original" in told
    assert "in one channel" not in ssvif.length(ssvif.ablations("smoke"))


def test_gdwa_is_compared_where_the_paper_prints_more_for_it():
    values = ssvif.printed(3).values.query("test_set == 'MSRS'")
    cells = values.set_index(["mode", "metric"])["value"]
    weightings = [c for c in ssvif_claims.ABLATIONS_FUSE if "gdwa" in c.name]
    assert len(weightings) == 4
    for claim in weightings:
        more = [m for m in ("MI", "Qabf", "SSIM") if cells["GDWA", m] > cells[claim.against[0], m]]
        assert list(claim.metrics) == more


def test_every_claim_speaks_of_rows_that_are_trained(profile):
    makers = (ssvif.methods, ssvif.frameworks, ssvif.ablations, ssvif.class_numbers,
              ssvif.colour_weights, ssvif.channel_numbers)  # fmt: skip
    there = {(row.mode, row.trainable) for make in makers for row in make(profile)}
    there.add((ssvif_claims.NO_EFFECT, 0))
    spoken = {row for claim in CLAIMS for row in claim.rows if "SwinFusion" not in row[0]}
    assert spoken <= there
    assert len(CLAIMS) == len({claim.name for claim in CLAIMS})
    assert len(CLAIMS) >= 15
    in_ledger = {c.name for several in experiments.CLAIMS.values() for c in several}
    assert {claim.name for claim in CLAIMS} <= in_ledger


def test_efficiency_is_the_printed_one():
    found = ssvif_efficiency.efficiency(repeats=0)
    counts = found[found["metric"] != "Mem (MB)"]
    assert len(counts) == 12
    assert (counts["ours"].round(2) == counts["paper"]).all()
    memory = found[found["metric"] == "Mem (MB)"].set_index(["model", "framework"])
    # A GPU's own count holds more than the tensors.
    assert (memory["ours"] < memory["paper"]).all()
    for model in ssvif_efficiency.MODELS:
        assert memory["ours"][model, ssvif.FRAMEWORK] > memory["ours"][model, ssvif.ORIGINAL]


def test_another_size_has_no_printed_counterpart():
    found = ssvif_efficiency.efficiency(("seafusion",), side=32, repeats=1)
    assert found["paper"].isna().all()
    assert list(found["metric"][:4]) == ["Params (M)", "FLOPs (G)", "Mem (MB)", "ms"]
    assert (found["ours"] > 0).all()


def courses():
    rows = [
        {"mode": "SSVIF", "trainable": 0, "seed": seed, "key": f"k{seed}", "epoch": step // 4,
         "step": step, "stage": 1 + (step > 2), "projection": step + seed / 10, "cosine": 0.1,
         "g_fusion": 4.0, "g_csc": 2.0, "lambda_fusion": 2.0, "lambda_csc": step / 10,
         "csc": 0.9, "agreement": 1.0, "classes": 2.0}
        for seed in (0, 1)
        for step in range(1, 7)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_pulls_are_means_over_equal_parts_of_stage_two():
    pulled = ssvif_gradients.pulls(courses(), parts=2)
    assert pulled["part"].tolist() == [1, 2, 1, 2]
    assert pulled["step"].tolist() == [4, 6, 4, 6]
    assert pulled["projection"].tolist() == pytest.approx([3.5, 5.5, 3.6, 5.6])
    rows = ssvif_gradients.as_rows(pulled)
    assert set(rows["mode"]) == {"SSVIF", ssvif_claims.NO_EFFECT}
    ledger = experiments.judge(rows, ssvif_claims.GRADIENTS, None, ssvif.MODEL)
    (row,) = ledger.itertuples()
    assert row.effect == pytest.approx(4.55)
    assert row.verdict == "undecided"  # two parts are too few
    assert pd.isna(row.paper)


def test_a_short_stage_two_has_as_many_parts_as_steps():
    pulled = ssvif_gradients.pulls(courses())
    assert pulled["step"].tolist() == [3, 4, 5, 6] * 2
    assert pulled["part"].tolist() == [1, 2, 3, 4] * 2


def test_a_long_stage_two_has_enough_parts_for_a_verdict():
    steps = pd.DataFrame({"step": range(1, 101)}).assign(stage=2, projection=1.0, cosine=0.5)
    steps = steps.assign(mode="SSVIF", trainable=0, seed=0, key="k", g_fusion=1.0, g_csc=1.0)
    pulled = ssvif_gradients.pulls(steps)
    assert len(pulled) == ssvif_gradients.PARTS >= 20
    assert pulled["step"].diff().dropna().between(3, 4).all()


def test_the_pull_of_the_consistency_loss_is_told():
    rows = courses()
    told = ssvif_gradients.shares(pd.concat([rows, rows.assign(mode="none", lambda_csc=0.0)]))
    assert list(told.index) == [("SSVIF", 0), ("SSVIF", 1)]
    # lambda_csc 0.3 to 0.6, lambda_fusion 2: omega 0.225 on average; norms 2 to 4.
    assert told["omega"].tolist() == pytest.approx([0.225] * 2)
    assert told["pull"].tolist() == pytest.approx([0.1125] * 2)


def test_stages_tell_when_the_second_one_began(tmp_path, monkeypatch):
    rows = [
        *ssvif.frameworks("smoke"),
        *(
            row
            for row in ssvif.ablations("smoke")
            if row.mode in (ssvif.ALL, "UCW", ssvif.WITHOUT_CSC)
        ),
    ]
    first = {
        ssvif.ALL: 4,
        "UCW": 99,
        ssvif.WITHOUT_CSC: 99,
        "EMMA, SSVIF": 1,
        "SeAFusion, SSVIF": 4,
    }
    keys = {row.specs[0].key: first.get(row.mode) for row in rows}

    def trained(spec):
        steps = pd.Series(range(1, 7))
        stage = 1.0 + (steps >= keys[spec.key])
        history = pd.DataFrame({"step": steps, "stage": stage})
        return SimpleNamespace(finished=True, history=lambda: history)

    monkeypatch.setattr(ssvif, "open_run", trained)
    found = ssvif.stages(rows)
    # A model's own training has no stages, and what has no consistency loss has no second one.
    assert found["mode"].tolist() == ["SeAFusion, SSVIF", "EMMA, SSVIF", "UCW", "GDWA"]
    began = found["began"].tolist()
    assert began[:2] + began[3:] == [4, 1, 4]
    assert math.isnan(began[2])  # never
    # Where the runs are not at hand, the table that was made there says the same.
    report.write_table(found, tmp_path / "stages.csv")
    report.write_record(tmp_path, {}, {})
    monkeypatch.setattr(ssvif, "open_run", lambda spec: SimpleNamespace(finished=False))
    again = ssvif.stages(rows, tmp_path / "stages.csv")
    pd.testing.assert_frame_equal(again, found, check_dtype=False)
    with pytest.raises(FusionError, match="not finished, and no table of before"):
        ssvif.stages(rows)
