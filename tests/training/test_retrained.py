"""Trainings of published methods: their phases, what they keep, and a resume."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from fusionlib.data.base import load_base
from fusionlib.errors import FusionError
from fusionlib.losses import (
    Adversarial,
    BSPLoss,
    CDDFuseLoss,
    MMDRFuseContent,
    MMDRFuseLoss,
    TGFuseLoss,
)
from fusionlib.losses.mmdrfuse import distillation
from fusionlib.models import MODELS, create_model
from fusionlib.models.tgfuse import TGFuse
from fusionlib.training import Spec, diverging, loop, open_run, train_stack
from fusionlib.training.best_so_far import BestSoFar
from fusionlib.training.cddfuse import CDDFuseTraining
from fusionlib.training.loop import Training
from fusionlib.training.mmdrfuse import MMDRFuseTraining
from fusionlib.training.plain import PlainTraining
from fusionlib.training.recipes import recipe_of
from fusionlib.training.team import Team
from fusionlib.training.tgfuse import FreshAdam, TGFuseTraining
from tests.training.small import go, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("cddfuse", "mmdrfuse", "mmdrfuse-teacher", "tgfuse")


@pytest.fixture(autouse=True)
def narrow_tgfuse(monkeypatch):
    """137 million weights, and a pair padded to 128, say nothing more than a narrow one does."""
    narrow = partial(TGFuse, width=4, spectral=8, spatial=8)
    narrow.heavy = True
    monkeypatch.setitem(MODELS, "tgfuse", narrow)


def spec_of(model, **values):
    """As `tiny`, of two pairs a batch: four steps, five an epoch."""
    return tiny(**{"model": model, "batch": 2, **values})


def training(spec):
    return recipe_of(spec)(open_run(spec), load_base(spec.ir, spec.vi), "cpu")


def weights(network):
    return torch.cat([value.detach().flatten().clone() for value in network.parameters()])


@pytest.mark.parametrize(
    ("model", "loss", "recipe"),
    [
        ("cddfuse", CDDFuseLoss, CDDFuseTraining),
        ("mmdrfuse", MMDRFuseLoss, MMDRFuseTraining),
        ("mmdrfuse-teacher", MMDRFuseContent, PlainTraining),
        ("tgfuse", TGFuseLoss, TGFuseTraining),
        ("bsp-cnn", BSPLoss, PlainTraining),
    ],
)
def test_a_model_chooses_loss_and_recipe(model, loss, recipe):
    spec = spec_of(model)
    assert spec.loss == loss()
    assert recipe_of(spec) is recipe
    assert recipe_of(spec_of(model, loss=BSPLoss())) is PlainTraining


@pytest.mark.parametrize("relation", ["strict", "unpaired"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", NAMES)
def test_every_method_trains(model, precision, relation):
    spec = spec_of(model, precision=precision, relation=relation, pairs=6, steps=3)
    run = go(spec)
    history = run.history()
    assert np.isfinite(history).all(axis=None)
    assert len(history) == 3
    assert all(value.dtype == torch.float32 for value in run.model().parameters())
    assert run.steps == ([3] if model == "tgfuse" else [1, 2, 3])
    with torch.no_grad():
        assert run.model()(*torch.rand(2, 1, 1, 20, 30)).isfinite().all()


# SwinFusion leaves out layers at random.
@pytest.mark.parametrize("model", [*NAMES, "swinfusion"])
def test_a_broken_training_ends_with_the_same_bytes(model, store, monkeypatch):
    """Broken in either phase and between them."""
    spec = spec_of(model, steps=6, pairs=4, redraw=False, lr=1e-3)
    unbroken = go(spec)
    expected = unbroken.weights_file(6).read_bytes(), (unbroken.folder / "history.csv").read_bytes()
    monkeypatch.setenv("FUSIONLIB_STORE", str(store / "another"))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    one_step, stops = Training.one_step, [1, 2, 3, 5]

    def broken(self):
        if stops and self.step == stops[0]:
            raise KeyboardInterrupt
        one_step(self)

    monkeypatch.setattr(Training, "one_step", broken)
    while stops:
        with pytest.raises(KeyboardInterrupt):
            go(spec)
        assert torch.load(open_run(spec).state_file, weights_only=True)["step"] == stops.pop(0)
    run = go(spec)
    made = run.weights_file(6).read_bytes(), (run.folder / "history.csv").read_bytes()
    assert made == expected


@pytest.mark.parametrize("model", NAMES)
def test_shards_train(model):
    history = go(spec_of(model, batch=4, shards=2, steps=2)).history()
    assert np.isfinite(history).all(axis=None)


# CDDFuse


def test_cddfuse_brings_back_first_and_fuses_then():
    history = go(spec_of("cddfuse", steps=3)).history()
    first, second = history.iloc[:1], history.iloc[1:]
    again = ["reconstruction_ir", "reconstruction_vi", "vi_gradient"]
    assert (first[again] > 0).all(axis=None)
    assert (second[again] == 0).all(axis=None)
    assert (first[["intensity", "gradient"]] == 0).all(axis=None)
    assert (second[["intensity", "gradient"]] > 0).all(axis=None)
    assert (history["decomposition"] >= 0).all()


def test_cddfuse_moves_what_a_phase_trains():
    made = training(spec_of("cddfuse", steps=3))
    model = made.model
    parts = [model.encoder, model.decoder, model.base_fusion, model.detail_fusion]
    before = [weights(part) for part in parts]
    made.one_step()
    moved = [not torch.equal(weights(part), kept) for part, kept in zip(parts, before)]
    assert moved == [True, True, False, False]
    for network in parts[:2]:
        # Of the encoder and the decoder every weight, cut to the published norm.
        gradients = [weight.grad for weight in network.parameters()]
        assert all(gradient.abs().max() > 0 for gradient in gradients)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        assert norm.item() == pytest.approx(0.01, rel=1e-3)
    made.one_step()
    assert all(not torch.equal(weights(part), kept) for part, kept in zip(parts, before))
    assert all(weight.grad.abs().max() > 0 for weight in model.parameters())


def test_cddfuse_halves_its_rates():
    made = training(spec_of("cddfuse", steps=6))
    rates = []
    for _ in range(6):
        made.one_step()
        rates.append([group["lr"] for group in made.optimiser.param_groups])
    halves = [1e-4 * 0.5**k for k in range(6)]
    assert [rate[0] for rate in rates] == pytest.approx(halves)
    # The fusion layers begin with the third step.
    assert [rate[3] for rate in rates[2:]] == pytest.approx(halves[:4])


def test_four_groups_of_one_adam_are_four_adams():
    spec = spec_of("cddfuse", steps=3)
    made = training(spec)
    torch.manual_seed(spec.seed)
    model = create_model("cddfuse").train()
    parts = [model.encoder, model.decoder, model.base_fusion, model.detail_fusion]
    adams = [torch.optim.Adam(part.parameters(), lr=1e-4, fused=True) for part in parts]
    for step in range(2):
        ((ir, vi),) = made.next_batch()
        made.one_step()
        base, detail = model.encode(torch.cat((ir, vi)))
        if step == 0:
            again = model.decode((base, detail, torch.cat((ir, vi)))).chunk(2)
            terms = spec.loss.first(again, (ir, vi), base.chunk(2), detail.chunk(2))
        else:
            base, detail = base.chunk(2), detail.chunk(2)
            fused = model.decode((*model.join(*zip(base, detail)), vi))
            terms = spec.loss.second(fused, (ir, vi), base, detail)
            torch.testing.assert_close(fused, model(ir, vi))
        trained = list(zip(parts, adams))[: 2 if step == 0 else 4]
        for adam in adams:
            adam.zero_grad()
        terms["total"].backward()
        for part, adam in trained:
            torch.nn.utils.clip_grad_norm_(part.parameters(), 0.01)
            adam.param_groups[0]["lr"] = 1e-4 * (0.25 if step and part in parts[:2] else 1)
            adam.step()
    assert (weights(made.model) - weights(model)).abs().max() < 1e-6


# MMDRFuse


def test_mmdrfuse_trains_the_teacher_first():
    made = training(spec_of("mmdrfuse", steps=4))
    student, teacher = weights(made.model), weights(made.teacher)
    made.one_step()
    made.one_step()
    assert torch.equal(weights(made.model), student)
    assert all(weight.grad.abs().max() > 0 for weight in made.teacher.last.parameters())
    assert not torch.equal(weights(made.teacher), teacher)
    teacher = weights(made.teacher)
    made.one_step()
    assert torch.equal(weights(made.teacher), teacher)
    assert not torch.equal(weights(made.model), student)
    # Begun as the teacher's, and moved by one step of Adam.
    apart = weights(made.model.last) - weights(made.teacher.last)
    assert 0 < apart.abs().max() < 1.1e-4


def test_mmdrfuse_history_holds_the_lessons():
    history = go(spec_of("mmdrfuse", steps=6, pairs=2, redraw=False)).history()
    lessons = ["distillation", "refresh_ssim", "refresh_gmsd"]
    assert list(history.columns) == ["step", "epoch", "intensity", "gradient", *lessons, "total"]
    assert (history[lessons][:3] == 0).all(axis=None)
    assert (history["distillation"][3:] > 0).all()
    factors = np.array([[2, 0.1]] * 3 + [[1, 0.1]] * 3)
    total = (history[["intensity", "gradient"]] * factors).sum(axis=1)
    total += history[lessons] @ [5, 10, 10]
    np.testing.assert_allclose(history["total"], total, rtol=1e-5)


def test_mmdrfuse_student_learns_from_its_teacher():
    loss = MMDRFuseLoss(intensity=0, gradient=0, refresh=0, teacher_share=0)
    made = training(spec_of("mmdrfuse", steps=40, lr=1e-2, loss=loss))
    for _ in range(40):
        made.one_step()
    totals = made.losses[:, made.terms.index("total")]
    assert totals[-5:].mean() < 0.5 * totals[:5].mean()
    ir, vi = torch.rand(2, 1, 1, 32, 32)
    with torch.no_grad():
        maps = made.model.features(ir, vi), made.teacher.features(ir, vi)
        images = made.model(ir, vi), made.teacher(ir, vi)
        assert distillation(*zip(maps, images)) < 0.5


def test_mmdrfuse_is_held_back_where_it_was_better():
    loss = MMDRFuseLoss(teacher_share=0)
    made = training(spec_of("mmdrfuse", steps=3, pairs=2, redraw=False, loss=loss))
    for _ in range(2):
        made.one_step()
    made.best.scores += 1  # no later image is as good as that
    kept = made.best.state_dict()
    made.one_step()
    for name in ("refresh_ssim", "refresh_gmsd"):
        assert (made.losses[:, made.terms.index(name)] > 0).tolist() == [False, False, True]
    for name, values in made.best.state_dict().items():
        assert torch.equal(values, kept[name])


def test_mmdrfuse_trains_in_one_process():
    team = Team()
    team.size = 2
    spec = spec_of("mmdrfuse", batch=4, shards=2)
    with pytest.raises(FusionError, match="train it in one process"):
        MMDRFuseTraining(open_run(spec), load_base(spec.ir, spec.vi), "cpu", team)


def test_best_so_far_keeps_the_better_of_each():
    best = BestSoFar(4, 2, "cpu")
    pairs = torch.tensor([[3, 5], [5, 3]])
    images, scores = best.recall(pairs)
    assert (images == 0).all()
    assert (scores == -torch.inf).all()
    first, second = torch.full((2, 1, 4, 4), 0.2), torch.full((2, 1, 4, 4), 0.6)
    best.renew(pairs, first, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    best.renew(pairs.flip(0), second, torch.tensor([[2.0, 5.0], [2.0, 1.0]]))
    images, scores = best.recall(pairs)
    assert scores.tolist() == [[2, 2], [3, 5]]
    torch.testing.assert_close(images[:, :, 0, 0], torch.tensor([[0.6, 0.2], [0.2, 0.6]]))
    again = BestSoFar(4, 2, "cpu")
    again.load_state_dict(best.state_dict())
    more = torch.tensor([[5, 3], [9, 9]])
    for one, other in zip(again.recall(more), best.recall(more)):
        assert torch.equal(one, other)
    assert again.state_dict()["pairs"].tolist() == [[3, 5], [5, 3], [9, 9]]


def test_an_empty_memory_comes_back():
    best = BestSoFar(4, 2, "cpu")
    best.load_state_dict(BestSoFar(4, 2, "cpu").state_dict())
    assert best.recall(torch.tensor([[0, 0]]))[1].shape == (1, 2)


# TGFuse


def test_a_fresh_adam_is_the_first_step_of_adam():
    ours, theirs = torch.nn.Linear(7, 5), torch.nn.Linear(7, 5)
    theirs.load_state_dict(ours.state_dict())
    fresh = FreshAdam(ours.parameters(), 1e-2)
    for _ in range(3):
        adam = torch.optim.Adam(theirs.parameters(), lr=1e-2)
        x = torch.randn(4, 7)
        for network, optimiser in ((ours, fresh), (theirs, adam)):
            optimiser.zero_grad()
            network(x).square().sum().backward()
            optimiser.step()
        torch.testing.assert_close(weights(ours), weights(theirs), atol=1e-6, rtol=0)
    assert not fresh.state


def test_form_chooses_tgfuses_optimiser():
    assert isinstance(training(spec_of("tgfuse")).optimiser, FreshAdam)
    adam = training(spec_of("tgfuse", loss=TGFuseLoss(form="paper"))).optimiser
    assert isinstance(adam, torch.optim.Adam)


def test_every_weight_of_tgfuse_moves():
    made = training(spec_of("tgfuse"))
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    made.one_step()
    still = [n for n, value in made.model.named_parameters() if torch.equal(value, before[n])]
    assert still == []


# All


def test_another_objective_is_no_divergence(monkeypatch):
    monkeypatch.setattr(diverging, "DIVERGING_STEPS", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    second = CDDFuseLoss.second

    def larger(self, *arguments):
        terms = second(self, *arguments)
        return {**terms, "total": 100 * terms["total"]}

    monkeypatch.setattr(CDDFuseLoss, "second", larger)
    spec = spec_of("cddfuse", steps=12)
    assert go(spec).finished


def test_what_does_not_fit_is_refused():
    for values, message in (
        ({"loss": TGFuseLoss()}, "CDDFuseLoss or BSPLoss or .*, not a TGFuseLoss"),
        ({"channels": 3}, r"grey images: it takes channels=1, not 3"),
    ):
        with pytest.raises(FusionError, match=message):
            spec_of("cddfuse", **values)
    with pytest.raises(FusionError, match="Critics stand beside a BSPLoss"):
        spec_of("tgfuse", adversarial=Adversarial())
    with pytest.raises(FusionError, match="recipe of its own"):
        train_stack([spec_of("cddfuse"), spec_of("cddfuse", seed=1)], device="cpu", quiet=True)
    with pytest.raises(FusionError, match="compiled=True is for plain trainings"):
        go(spec_of("cddfuse"), compiled=True)
    values = spec_of("cddfuse").to_dict()
    values["loss"]["kind"] = "NoLoss"
    with pytest.raises(FusionError, match="There is no loss 'NoLoss'"):
        Spec.from_dict(values)


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ("cddfuse", CDDFuseLoss(ssim=4)),
        ("mmdrfuse", MMDRFuseLoss(teacher=(1, 0, 1), vgg19="vgg19.pth")),
        ("mmdrfuse-teacher", MMDRFuseContent(gradient=0)),
        ("tgfuse", TGFuseLoss(form="paper")),
    ],
)
def test_specs_of_methods_come_back_from_json(model, loss):
    usual, other, plain = (spec_of(model, **v) for v in ({}, {"loss": loss}, {"loss": BSPLoss()}))
    for spec in (usual, other, plain):
        again = Spec.from_dict(json.loads(json.dumps(spec.to_dict())))
        assert again == spec
        assert again.key == spec.key
        assert hash(again) == hash(spec)
    assert len({usual.key, other.key, plain.key}) == 3
    assert usual.key == spec_of(model, loss=type(loss)()).key
