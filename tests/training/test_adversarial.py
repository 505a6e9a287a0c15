"""Adversarial training: what a step does, what a run keeps, and a resume."""

import dataclasses

import numpy as np
import pytest
import torch

from fusionlib.data.base import load_base
from fusionlib.losses import EQ19, Adversarial, BSPLoss
from fusionlib.models import create_model
from fusionlib.models.bsp_discriminator import BSPDiscriminator
from fusionlib.training import loop, open_run
from fusionlib.training.adversarial import AdversarialTraining
from fusionlib.training.loop import Training
from tests.training.small import go, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

TERMS = ["intensity", "gradient", "ssim", "total", "adversarial"]
CRITICS = ["saliency_critic", "detail_critic"]


def gan(**values):
    return tiny(**{"model": "bsp-gan", "lr": 1e-3, **values})


def training(spec):
    return AdversarialTraining(open_run(spec), load_base(spec.ir, spec.vi), "cpu")


def weights(network):
    return torch.cat([value.detach().flatten().clone() for value in network.parameters()])


def test_history_holds_the_critics():
    history = go(gan(steps=7)).history()
    assert list(history.columns) == ["step", "epoch", *TERMS, *CRITICS]
    assert np.isfinite(history).all(axis=None)
    # tanh bounds each critic, and a loss is a difference of two of its means.
    assert history[CRITICS].abs().lt(2).all(axis=None)
    assert history["adversarial"].abs().lt(2).all()
    # Eq. 7
    plain = history["intensity"] + history["gradient"] + 0.2 * history["ssim"]
    np.testing.assert_allclose(history["total"], plain - 0.01 * history["adversarial"], atol=1e-6)


def test_eq19_weights_the_terms_otherwise():
    history = go(gan(steps=2, loss=EQ19)).history()
    plain = history["intensity"] + 0.2 * history["gradient"] + history["ssim"]
    np.testing.assert_allclose(history["total"], plain - 0.01 * history["adversarial"], atol=1e-6)


def test_a_run_keeps_the_generator_alone():
    run = go(gan())
    assert set(run.model().state_dict()) == set(create_model("bsp-cnn").state_dict())
    assert not run.state_file.exists()


def test_without_their_factor_the_critics_change_nothing():
    alone = go(tiny(lr=1e-3))
    beside = go(gan(adversarial=Adversarial(factor=0)))
    np.testing.assert_array_equal(beside.history()["total"], alone.history()["total"])
    assert beside.weights_file(4).read_bytes() == alone.weights_file(4).read_bytes()
    assert go(gan()).weights_file(4).read_bytes() != alone.weights_file(4).read_bytes()


def test_a_step_is_written_out():
    """One step by hand: critics on the detached image, then the generator."""
    spec = gan(steps=1, seed=3)
    history = go(spec).history()

    torch.manual_seed(3)
    model = create_model("bsp-cnn").train()
    saliency, detail = BSPDiscriminator(32), BSPDiscriminator(32)
    adam = torch.optim.Adam([*saliency.parameters(), *detail.parameters()], lr=1e-6)
    made = training(spec)
    made.one_step()
    pairs = made.draw.epoch(0)[:3]
    ir, vi = load_base(spec.ir, spec.vi).gather(torch.from_numpy(pairs))
    fused = model(ir, vi)
    (fused_s, real_s), (fused_d, real_d) = spec.adversarial.views(fused, ir, vi)
    losses = [
        saliency(fused_s.detach()).mean() - saliency(real_s).mean(),
        detail(fused_d.detach()).mean() - detail(real_d).mean(),
    ]
    sum(losses).backward()
    adam.step()
    adversarial = saliency(fused_s).mean() + detail(fused_d).mean()
    total = BSPLoss()(fused, ir, vi)["total"] - 0.01 * adversarial

    row = history.iloc[0]
    for name, loss in zip(CRITICS, losses, strict=True):
        assert row[name] == pytest.approx(loss.item(), abs=1e-5)
    assert row["adversarial"] == pytest.approx(adversarial.item(), abs=1e-4)
    assert row["total"] == pytest.approx(total.item(), abs=1e-5)


def test_critics_learn_to_tell_the_images_apart():
    made = training(gan(steps=30, adversarial=Adversarial(critic_lr=1e-3)))
    made.model.requires_grad_(False)  # against a generator that stands still
    made.optimiser.step = lambda: None
    for _ in range(30):
        fused, ir, vi = [x.detach() for x in (made.model(*batch(made)), *batch(made))]
        losses = made.teach_critics([made.spec.adversarial.views(fused, ir, vi)])
    assert all(loss < -0.5 for loss in losses.values())


def batch(made):
    return made.base.gather(torch.from_numpy(made.draw.epoch(0)[:3]))


def test_the_generator_moves_towards_what_the_critics_like():
    """With the fusion terms off, only the critics teach: L_adv rises."""
    made = training(gan(steps=20, adversarial=Adversarial(factor=1.0, critic_lr=0.0)))
    values = []
    for _ in range(20):
        # Always the same batch, against critics that stand still.
        ir, vi = batch(made)
        fused = made.model(ir, vi)
        (fused_s, _), (fused_d, _) = made.spec.adversarial.views(fused, ir, vi)
        value = sum(c(x).mean() for c, x in zip(made.critics, (fused_s, fused_d), strict=True))
        made.optimiser.zero_grad()
        (-value).backward()
        made.optimiser.step()
        values.append(value.item())
    assert values[-1] > values[0]


def test_critics_get_no_gradient_from_the_generator():
    made = training(gan(steps=2))
    before = None
    teach = made.teach_critics

    def noted(views):
        nonlocal before
        losses = teach(views)
        before = [weights(critic) for critic in made.critics]
        return losses

    made.teach_critics = noted
    made.one_step()
    for critic, kept in zip(made.critics, before, strict=True):
        assert torch.equal(weights(critic), kept)
        assert all(parameter.requires_grad for parameter in critic.parameters())


@pytest.mark.parametrize(
    ("regularisation", "strength"), [("none", 0), ("clip", 0.02), ("penalty", 10)]
)
def test_regularisation(regularisation, strength):
    made = training(gan(adversarial=Adversarial(regularisation=regularisation, strength=strength)))
    made.one_step()
    largest = max(weights(critic).abs().max().item() for critic in made.critics)
    assert (largest <= 0.02) == (regularisation == "clip")
    plain = training(gan(adversarial=Adversarial()))
    plain.one_step()
    moved = [torch.equal(weights(a), weights(b)) for a, b in zip(made.critics, plain.critics)]
    assert all(moved) == (regularisation == "none")


def test_a_broken_training_ends_with_the_same_bytes(store, monkeypatch):
    spec = gan(steps=9, adversarial=Adversarial(regularisation="penalty", strength=1.0))
    unbroken = go(spec)
    expected = unbroken.weights_file(9).read_bytes(), (unbroken.folder / "history.csv").read_bytes()
    monkeypatch.setenv("FUSIONLIB_STORE", str(store / "another"))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    one_step = Training.one_step

    def broken(self):
        if self.step == 5:
            raise KeyboardInterrupt
        one_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "one_step", broken)
        with pytest.raises(KeyboardInterrupt):
            go(spec)
    state = torch.load(open_run(spec).state_file, weights_only=True)
    assert state["step"] == 5
    assert {"saliency", "detail", "critic_adam"} <= set(state)
    run = go(spec)
    made = run.weights_file(9).read_bytes(), (run.folder / "history.csv").read_bytes()
    assert made == expected


def test_a_critic_that_is_not_finite_stops_the_training(monkeypatch):
    made = training(gan(steps=2))
    made.one_step()
    with torch.no_grad():
        made.critics[0].widen1.bias.fill_(float("inf"))
    with pytest.raises(loop.FusionError, match="not finite"):
        made._checkpoint()


def test_any_network_can_face_critics():
    spec = tiny(steps=2, adversarial=Adversarial())
    assert CRITICS[0] in go(spec).history()
    assert spec.key != dataclasses.replace(spec, adversarial=None).key
