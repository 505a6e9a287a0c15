"""The loop: what plain training computes, and what a run keeps."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionlib.data.base import load_base
from fusionlib.errors import FusionError
from fusionlib.losses import BSPLoss
from fusionlib.models import create_model
from fusionlib.pairing import Draw
from fusionlib.training import diverging, loop, open_run
from fusionlib.training.loop import Training
from tests.training.small import go, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

COLUMNS = ["step", "epoch", "intensity", "gradient", "ssim", "total"]


def names(run):
    return sorted(file.name for file in run.folder.iterdir() if file.name != "lock")


@pytest.mark.parametrize("redraw", [True, False])
def test_it_is_adam_on_the_draws_of_each_epoch(redraw):
    spec = tiny(steps=5, lr=1e-3, seed=4, redraw=redraw)
    run = go(spec)

    torch.manual_seed(4)
    model = create_model("bsp-cnn").train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)  # same rounding as ours
    draw = Draw("unpaired", 6, 6, 11, 4, redraw)
    # Three batches of 3; the two pairs that are left do not make a batch.
    batches = [draw.epoch(epoch)[k : k + 3] for epoch in (0, 1) for k in (0, 3, 6)]
    base, totals = load_base(spec.ir, spec.vi), []
    for batch in batches[:5]:
        ir, vi = base.gather(torch.from_numpy(batch))
        total = BSPLoss()(model(ir, vi), ir, vi)["total"]
        adam.zero_grad()
        total.backward()
        adam.step()
        totals.append(total.item())

    # Where a gradient is all rounding, Adam makes a whole step of it: the tolerance is not zero.
    np.testing.assert_allclose(run.history()["total"], totals, rtol=1e-5)
    for name, value in run.model().state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_finished_run_is_returned_at_once(monkeypatch):
    spec = tiny(steps=2)
    first = go(spec)

    def fail(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(Training, "__init__", fail)
    monkeypatch.setattr(loop, "load_base", fail)
    assert go(spec) == first


def test_what_a_run_holds():
    spec, seen = tiny(), []
    run = go(spec, on_snapshot=lambda run, step: seen.append((step, run.steps)))
    assert names(run) == ["history.csv", "provenance.json", "spec.json"] + [
        f"step-00000{step}.safetensors" for step in (1, 2, 3, 4)
    ]
    assert run.steps == list(spec.snapshots)
    # Called when the weights are there, in the order of the steps.
    assert seen == [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 3, 4])]
    kept = run.provenance
    assert kept["torch"] == torch.__version__
    assert kept["device"].startswith("cpu")
    assert kept["steps"] == 4
    assert 0 < kept["seconds"] < 300


def test_history_holds_every_term_at_every_step():
    history = go(tiny(steps=7)).history()
    assert list(history.columns) == COLUMNS
    assert history["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert history["epoch"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    expected = history["intensity"] + history["gradient"] + 0.2 * history["ssim"]
    np.testing.assert_allclose(history["total"], expected, rtol=1e-6)
    assert history["total"].nunique() == 7


def test_history_leaves_out_what_the_loss_leaves_out():
    history = go(tiny(steps=2, loss=BSPLoss(gradient=0.0))).history()
    assert list(history.columns) == ["step", "epoch", "intensity", "ssim", "total"]


def test_snapshots_are_the_weights_on_the_way():
    long, short = go(tiny()), go(tiny(steps=2))
    assert long.weights_file(2).read_bytes() == short.weights_file(2).read_bytes()
    assert long.weights_file(2).read_bytes() != long.weights_file(4).read_bytes()


def test_the_seed_alone_decides(tmp_path, monkeypatch):
    first = go(tiny(steps=2, seed=1))
    torch.rand(3)
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "another"))
    again, other = go(tiny(steps=2, seed=1)), go(tiny(steps=2, seed=2))
    assert first.folder != again.folder
    assert first.weights_file(2).read_bytes() == again.weights_file(2).read_bytes()
    assert first.history().equals(again.history())
    assert first.weights_file(2).read_bytes() != other.weights_file(2).read_bytes()


def test_the_loss_falls():
    history = go(tiny(steps=40, lr=1e-3))
    total = history.history()["total"]
    assert total[-5:].mean() < 0.8 * total[:5].mean()


def test_bfloat16_trains_float32_weights():
    half, full = go(tiny(precision="bfloat16")), go(tiny())
    totals = [run.history()["total"] for run in (half, full)]
    assert np.isfinite(totals[0]).all()
    assert not totals[0].equals(totals[1])
    np.testing.assert_allclose(*totals, rtol=0.05)
    assert all(value.dtype == torch.float32 for value in half.model().parameters())
    assert [run.provenance["precision"] for run in (half, full)] == ["bfloat16", "float32"]


def test_a_base_that_is_too_small_is_refused_before_training():
    with pytest.raises(FusionError, match=r"pairs=7 .*strict.*6 x 6"):
        go(tiny(relation="strict", pairs=7))


def test_a_loss_that_is_not_finite_stops_with_step_and_terms(monkeypatch):
    step = Training.one_step

    def poisoned(self):
        if self.step == 2:
            with torch.no_grad():
                self.model.decode1[2].bias.fill_(float("nan"))
        step(self)

    monkeypatch.setattr(Training, "one_step", poisoned)
    spec = tiny()
    message = (
        rf"{spec.key} is not finite from step 3 on \(intensity nan.*total nan\);"
        r" its last good checkpoint: step 2 \(.*state\.pt\), its last weights: step 2\. .*lr"
    )
    with pytest.raises(FusionError, match=message):
        go(spec)
    run = open_run(spec)
    assert run.steps == [1, 2]
    assert all(value.isfinite().all() for value in run.model(2).parameters())
    # What was good is resumed from: the mended training ends as if nothing had happened.
    monkeypatch.setattr(Training, "one_step", step)
    assert go(spec).history()["total"].notna().all()


def test_a_loss_that_grows_is_not_trained_on(monkeypatch):
    monkeypatch.setattr(diverging, "DIVERGING_STEPS", 3)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)  # after each step
    loss, calls = BSPLoss.__call__, []

    def growing(self, fused, ir, vi):
        terms = loss(self, fused, ir, vi)
        calls.append(terms)
        return {**terms, "total": terms["total"] * (1 if len(calls) <= 7 else 8)}

    monkeypatch.setattr(BSPLoss, "__call__", growing)
    spec = tiny(steps=20)
    # Of steps 7 to 9 the median is of the large ones; steps 4 to 6 are the last ones before.
    message = (
        rf"{spec.key} diverges: its median over 3 steps is 3 times the lowest before from step 9"
        r" on \(intensity .*total .*\); its last good checkpoint: step 8 \(.*state\.pt\)"
    )
    with pytest.raises(FusionError, match=message):
        go(spec)
    assert len(calls) == 9
    monkeypatch.setattr(BSPLoss, "__call__", loss)
    assert go(spec).finished


def test_a_loss_that_falls_or_stays_is_trained_on(monkeypatch):
    monkeypatch.setattr(diverging, "DIVERGING_STEPS", 2)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1)
    assert go(tiny(steps=12)).finished


def test_weights_that_are_not_finite_are_not_kept(monkeypatch):
    loss = BSPLoss.__call__

    def steep(self, fused, ir, vi):
        # A finite loss with an infinite derivative.
        terms = loss(self, fused, ir, vi)
        return {**terms, "total": terms["total"] + (fused - fused.detach()).abs().sqrt().sum()}

    monkeypatch.setattr(BSPLoss, "__call__", steep)
    with pytest.raises(FusionError, match="not finite"):
        go(tiny(steps=1))


def test_a_full_disk_leaves_the_checkpoint_before(monkeypatch):
    write, states = Path.write_bytes, []

    def full(path, content):
        if "state.pt" in path.name:
            states.append(path)
            if len(states) == 3:
                write(path, b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    spec = tiny()
    with pytest.raises(FusionError, match=r"state\.pt cannot be written \(No space left.*free"):
        go(spec)
    run = open_run(spec)
    assert torch.load(run.folder / "state.pt", weights_only=True)["step"] == 2
    assert run.steps == [1, 2]
    assert not [name for name in names(run) if name.startswith(".")]
    assert go(spec).finished


def test_a_state_with_pickled_code_is_not_run(tmp_path):
    trap = tmp_path / "trap"

    class Code:
        def __reduce__(self):
            return open, (str(trap), "w")

    run = open_run(tiny())
    torch.save({"model": Code()}, run.folder / "state.pt")
    with pytest.raises((FusionError, pickle.UnpicklingError)):
        go(tiny())
    assert not trap.exists()


@pytest.mark.slow
def test_compiled_the_losses_are_the_same(tmp_path, monkeypatch):
    eager = go(tiny(steps=3))
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "compiled"))
    compiled = go(tiny(steps=3), compiled=True)
    np.testing.assert_allclose(eager.history(), compiled.history(), atol=1e-4)
    assert (eager.provenance["compiled"], compiled.provenance["compiled"]) == (False, True)


def test_with_critics_nothing_is_compiled():
    with pytest.raises(FusionError, match="compiled=True is for plain trainings"):
        go(tiny(model="bsp-gan"), compiled=True)
