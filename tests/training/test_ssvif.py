"""SSVIF's training: its stages, its weights, its patience, and a resume."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from fusionlib.data import open_pairs
from fusionlib.data.base import Base, load_base, patch_source
from fusionlib.errors import FusionError
from fusionlib.losses import SSVIFLoss
from fusionlib.losses.consistency import consistency
from fusionlib.models import MODELS
from fusionlib.training import Spec, loop, open_run
from fusionlib.training.consistency import Consistency
from fusionlib.training.course import Course
from fusionlib.training.loop import Training
from fusionlib.training.recipes import recipe_of
from fusionlib.training.ssvif import CSC, WEIGHED, SSVIFTraining, flipped, split
from tests.training.small import go

pytestmark = pytest.mark.usefixtures("one_thread")

PAIRS = open_pairs("scenes", "train", names=["0001N", "0002D"], size=(64, 96))
SMALL = Consistency(classes=3, segmenter="b0", width=4, flips=False)
WEIGHTINGS = ("gdwa", "fixed", "ucw", "dwa", "segmif")


def spec_of(consistency=SMALL, **values):
    """12 patches of 32 x 32 in colour; two steps of two pairs an epoch."""
    spec = {
        "model": "seafusion",
        "ir": patch_source(PAIRS, "ir", 32, 32),
        "vi": patch_source(PAIRS, "vi", 32, 32, colour=True),
        "relation": "strict",
        "pairs": 4,
        "batch": 2,
        "steps": 4,
        "channels": 3,
        "loss": SSVIFLoss(),
        "lr": 1e-3,
        "consistency": consistency,
    }
    return Spec(**{**spec, **values})


def small(**values):
    return dataclasses.replace(SMALL, **values)


def weights(network):
    return torch.cat([value.detach().flatten().clone() for value in network.parameters()])


def training(spec):
    return recipe_of(spec)(open_run(spec), load_base(spec.ir, spec.vi), "cpu")


def test_a_consistency_chooses_the_recipe():
    assert recipe_of(spec_of()) is SSVIFTraining
    assert recipe_of(spec_of(None)) is not SSVIFTraining


def test_stage_one_is_a_training_without_segmentations():
    spec = spec_of(steps=4)
    alone = go(dataclasses.replace(spec, consistency=None))
    run = go(spec_of(small(weighting="none")))
    assert torch.equal(weights(run.model()), weights(alone.model()))
    history = run.history()
    assert history["fusion"].equals(alone.history()["total"])
    assert (history[[*CSC, *WEIGHED[:4], "lambda_csc"]] == 0).all(axis=None)
    assert (history["stage"] == 1).all()
    begun = go(spec).history()
    first = begun["stage"] == 1
    assert begun.loc[first, "fusion"].equals(history.loc[first, "fusion"])


def test_stage_two_begins_after_the_first_epoch_that_rose():
    history = go(spec_of(steps=16, lr=3e-3)).history()
    means = history.groupby("epoch")["fusion"].mean()
    rose = means.index[means.diff() > 0]
    assert len(rose)
    assert history.loc[history["stage"] == 2, "epoch"].min() == rose[0] + 1
    assert (history.loc[history["stage"] == 2, "csc"] > 0).all()
    # Fusion alone is never undone.
    assert history["stage"].is_monotonic_increasing


def test_one_stage_begins_with_all_together():
    history = go(spec_of(small(two_stages=False), steps=2)).history()
    assert (history["stage"] == 2).all()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_weighting_trains_all_three_networks(weighting, precision):
    spec = spec_of(small(two_stages=False, weighting=weighting), steps=4, precision=precision)
    learner = training(spec)
    parts = {name: learner.parts[name] for name in ("model", "head", "segmenter")}
    before = {name: weights(part) for name, part in parts.items()}
    for _ in range(4):
        learner.one_step()
    assert all(not torch.equal(before[name], weights(part)) for name, part in parts.items())
    losses = learner.losses
    assert losses.isfinite().all()
    assert losses.shape == (4, len(learner.terms))
    terms = dict(zip(learner.terms, losses.T, strict=True))
    total = terms["lambda_fusion"] * terms["fusion"] + terms["lambda_csc"] * terms["csc"]
    if weighting == "ucw":
        total = total - torch.log(2 * terms["lambda_fusion"]) / 2
        total = total - torch.log(2 * terms["lambda_csc"]) / 2
        assert not torch.equal(learner.weighting.s, torch.full((2,), -0.5))
    torch.testing.assert_close(terms["total"], total, rtol=1e-5, atol=1e-5)


def test_gdwa_weights_by_the_gradients_and_losses_of_the_last_epochs():
    history = go(spec_of(small(two_stages=False, temperature=0.5), steps=6)).history()
    first, second, third = (history[history["epoch"] == epoch] for epoch in (1, 2, 3))
    ratio = [part["g_csc"].mean() / part["g_fusion"].mean() for part in (first, second)]
    slower = second["csc"].mean() / first["csc"].mean()
    slower -= second["fusion"].mean() / first["fusion"].mean()
    begun = first["g_csc"].iloc[0] / first["g_fusion"].iloc[0]
    np.testing.assert_allclose(first["lambda_csc"], [begun, ratio[0]], rtol=1e-4)
    np.testing.assert_allclose(second["lambda_csc"], ratio[0], rtol=1e-4)
    np.testing.assert_allclose(third["lambda_csc"], ratio[1] * np.exp(slower / 0.5), rtol=1e-4)


def test_gdwa_weights_by_the_gradients_of_the_step_where_asked():
    game = small(two_stages=False, temperature=0.5, norms="step")
    history = go(spec_of(game, steps=6)).history()
    first, second, third = (history[history["epoch"] == epoch] for epoch in (1, 2, 3))
    rates = {term: second[term].mean() / first[term].mean() for term in ("fusion", "csc")}
    for part, slower in ((first, 0), (second, 0), (third, rates["csc"] - rates["fusion"])):
        expected = part["g_csc"] / part["g_fusion"] * np.exp(slower / 0.5)
        np.testing.assert_allclose(part["lambda_csc"], expected, rtol=1e-4)
    assert (history["lambda_fusion"] == 1).all()
    cosine = history["projection"] * history["g_fusion"] / history["g_csc"]
    np.testing.assert_allclose(history["cosine"], cosine, rtol=1e-4)


def test_the_gradients_are_those_of_the_weighted_sum():
    spec = spec_of(small(two_stages=False, weighting="fixed", omega=0.3), steps=1)
    learner = training(spec)
    drawn = torch.get_rng_state()  # SegFormer leaves out at random
    learner.one_step()
    other = training(spec)
    ((ir, vi),) = other.next_batch()
    torch.set_rng_state(drawn)
    maps = other.model.features(ir, vi)
    fused = other.model.decode(maps)
    csc = consistency(other.head(maps), other.segmenter(fused))["csc"]
    (spec.loss(fused, ir, vi)["total"] + 0.3 * csc).backward()
    for name in ("model", "head", "segmenter"):
        both = zip(learner.parts[name].parameters(), other.parts[name].parameters(), strict=True)
        for here, there in both:
            if there.grad is None:  # held, and never used
                assert not here.grad.any()
            else:
                torch.testing.assert_close(here.grad, there.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("weighting", ["gdwa", "ucw"])
def test_a_broken_training_ends_with_the_same_bytes(weighting, store, monkeypatch):
    """Broken in either stage, within an epoch and between two; with flips and a patience."""
    game = small(weighting=weighting, flips=True, patience=9, validation=0.2)
    spec = spec_of(game, steps=14, lr=3e-3, pairs=2, batch=1)
    unbroken = go(spec)
    stages = unbroken.history()["stage"]
    assert set(stages) == {1, 2}
    turn = int((stages == 1).sum())
    last = spec.total_steps
    expected = [unbroken.weights_file(last).read_bytes(), unbroken.history()]
    monkeypatch.setenv("FUSIONLIB_STORE", str(store / "another"))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    one_step, stops = Training.one_step, sorted({1, turn - 1, turn, turn + 1, last - 1})

    def broken(self):
        if stops and self.step == stops[0]:
            raise KeyboardInterrupt
        one_step(self)

    monkeypatch.setattr(Training, "one_step", broken)
    while stops:
        with pytest.raises(KeyboardInterrupt):
            go(spec)
        stops.pop(0)
    run = go(spec)
    assert run.weights_file(last).read_bytes() == expected[0]
    assert run.history().equals(expected[1])


def test_patience_ends_a_training_and_keeps_the_best_epoch(monkeypatch):
    # The second epoch is the best; two more do not reach it.
    losses, seen = iter([3.0, 1.0, 2.0, 1.5, 0.1]), []

    def validate(self):
        seen.append(weights(self.model))
        return next(losses)

    monkeypatch.setattr(SSVIFTraining, "validate", validate)
    run = go(spec_of(small(patience=2, weighting="none"), steps=40))
    history = run.history()
    assert history["epoch"].max() == 4
    assert len(history) == 8
    assert run.finished
    assert run.provenance["steps"] == 8
    assert torch.equal(weights(run.model()), seen[1])
    np.testing.assert_allclose(history["validation"][1::2], [3, 1, 2, 1.5])
    assert not run.state_file.exists()


def test_the_best_epoch_is_kept_also_where_all_steps_were_taken(monkeypatch):
    losses, seen = iter([1.0, 2.0]), []

    def validate(self):
        seen.append(weights(self.model))
        return next(losses)

    monkeypatch.setattr(SSVIFTraining, "validate", validate)
    run = go(spec_of(small(patience=5, weighting="none"), steps=5))
    assert torch.equal(weights(run.model()), seen[0])


def test_what_stage_one_ended_with_is_no_measure_of_stage_two(monkeypatch):
    losses, seen = iter([0.2, 0.1, 3.0, 4.0, 5.0]), []

    def validate(self):
        seen.append(weights(self.model))
        return next(losses)

    real = Course.end_epoch

    def end_epoch(self, step):
        self.before = -1.0 if step == 4 else math.inf  # a rise in the second epoch alone
        real(self, step)

    monkeypatch.setattr(SSVIFTraining, "validate", validate)
    monkeypatch.setattr(Course, "end_epoch", end_epoch)
    run = go(spec_of(small(patience=2), steps=40))
    assert run.history()["stage"].tolist() == [1] * 4 + [2] * 6
    assert torch.equal(weights(run.model()), seen[2])


def test_validation_is_the_mean_fusion_loss_of_what_is_held_out():
    learner = training(spec_of(small(patience=1, validation=0.5)))
    ir, vi = learner.held_out.gather(torch.arange(6).repeat(2, 1).T)
    assert len(learner.held_out.ir) == 6
    with torch.no_grad():
        losses = [
            learner.spec.loss(learner.model(a, b), a, b)["total"].item()
            for a, b in zip(ir.split(1), vi.split(1), strict=True)
        ]
    # The loss of a batch is the mean of its pairs'.
    assert learner.validate() == pytest.approx(np.mean(losses), rel=1e-5)
    assert learner.model.training


@pytest.mark.parametrize(("count", "share"), [(1000, 0.1), (100, 0.2), (1000, 0.25)])
def test_what_is_held_out_lies_in_ten_stretches(count, share):
    numbers = torch.arange(count)
    base = Base(numbers[:, None, None], numbers[:, None, None] + 7)
    kept, out = split(base, share)
    assert torch.equal(torch.cat((kept.ir, out.ir)).flatten().sort().values, numbers)
    assert torch.equal(out.vi, out.ir + 7)
    assert len(out.ir) == round(count * share)
    assert (out.ir.flatten().diff() > 1).sum() == 9


def test_half_of_the_pairs_are_mirrored_both_sides_alike():
    torch.manual_seed(0)
    ir, vi = torch.rand(2, 400, 3, 2, 5)
    both = [flipped(ir, vi, 0, step) for step in (1, 2)]
    for new_ir, new_vi in both:
        same = (new_ir == ir).all((1, 2, 3))
        assert 160 < same.sum() < 240
        assert torch.equal(new_ir[~same], ir[~same].flip(-1))
        assert torch.equal(new_vi[same], vi[same])
        assert torch.equal(new_vi[~same], vi[~same].flip(-1))
    assert not torch.equal(both[0][0], both[1][0])
    # What else a training draws changes nothing.
    torch.rand(7)
    assert torch.equal(flipped(ir, vi, 0, 1)[0], both[0][0])
    assert not torch.equal(flipped(ir, vi, 1, 1)[0], both[0][0])


def test_a_course_without_a_rise_stays_alone():
    course = Course(alone=True)
    for step, loss in enumerate((3.0, 2.0, 2.0, 1.0)):
        course.add(torch.tensor(loss), torch.tensor(0.0))
        course.end_epoch(step + 1)
    assert not course.joint
    course.add(torch.tensor(1.1), torch.tensor(0.0))
    course.end_epoch(5)
    assert (course.joint, course.began) == (True, 5)


@pytest.mark.parametrize("model", ["swinfusion", "emma"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_fusion_models_train_alike(model, channels):
    vi = patch_source(PAIRS, "vi", 32, 32, colour=channels == 3)
    game = small(two_stages=False)
    history = go(spec_of(game, model=model, channels=channels, vi=vi, steps=2)).history()
    assert np.isfinite(history).all(axis=None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"model": "bsp-cnn"},
            "bsp-cnn does not say .* take emma, piafusion, seafusion, swinfusion",
        ),
        ({"relation": "unpaired"}, "relation='strict', not 'unpaired'"),
        ({"shards": 2}, "shards=1"),
    ],
)
def test_specs_that_cannot_be_consistent(values, message):
    with pytest.raises(FusionError, match=message):
        spec_of(**values)


def test_patches_may_be_too_small_for_a_segmenter():
    sides = {side: patch_source(PAIRS, side, 16, 32, colour=side == "vi") for side in ("ir", "vi")}
    with pytest.raises(FusionError, match="32 pixels or more: take larger patches than 16"):
        spec_of(**sides)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": 1}, "classes of a Consistency is 2 or more, not 1"),
        ({"width": 0}, "width of a Consistency is 1 or more"),
        ({"patience": 0}, "patience of a Consistency is 1 or more, not 0"),
        ({"segmenter": "b9"}, "segmenter is one of b0, b1, b3, not 'b9'"),
        ({"norms": "run"}, "norms is one of epoch, step, not 'run'"),
        ({"weighting": "mean"}, "weighting is one of gdwa, .*none, not 'mean'"),
        ({"temperature": 0}, "temperature is above 0"),
        ({"omega": -1}, "omega is a number of 0 or more"),
        ({"validation": 1}, "share between 0 and 1"),
    ],
)
def test_consistencies_that_cannot_be(values, message):
    with pytest.raises(FusionError, match=message):
        Consistency(**values)


def test_every_field_of_a_consistency_moves_the_key():
    others = {
        "classes": 9, "segmenter": "b1", "width": 8, "weighting": "ucw", "omega": 0.2,
        "temperature": 1.0, "norms": "step", "two_stages": False, "patience": 3, "validation": 0.2,
        "flips": False,
    }  # fmt: skip
    assert set(others) == {item.name for item in dataclasses.fields(Consistency)}
    specs = [spec_of(None), spec_of(Consistency())]
    specs += [spec_of(Consistency(**{name: value})) for name, value in others.items()]
    assert len({spec.key for spec in specs}) == len(specs)
    for spec in specs:
        assert Spec.from_dict(spec.to_dict()) == spec


def test_the_models_that_say_what_their_features_are():
    able = [name for name, kind in MODELS.items() if hasattr(kind, "feature_channels")]
    assert able == ["emma", "piafusion", "seafusion", "swinfusion"]
