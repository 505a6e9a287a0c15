"""A segmenter's training: what it learns from, what a step does, a resume, an early end."""

import dataclasses
import io
import json
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from fusionlib import images
from fusionlib.cli import main as cli
from fusionlib.data import open_pairs
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.fusing_model import choose_model
from fusionlib.images import rgb_to_ycbcr
from fusionlib.inference import fuse
from fusionlib.models import create_model
from fusionlib.models.segmentation import segformer
from fusionlib.pairing import Draw
from fusionlib.training import loop, open_run, plan, scaled, shown, submit, train_stack
from fusionlib.training.augmenting import mixed
from fusionlib.training.labelled_images import LabelledImages, load_labelled
from fusionlib.training.patience import Patience
from fusionlib.training.segmenter import SegmenterTraining
from fusionlib.training.store import Run
from fusionlib.training.submitting import _stacks
from tests.training.small import LABELLED, go, tiny, tiny_segmenter

pytestmark = pytest.mark.usefixtures("one_thread")

TEN = open_pairs("scenes", "test", names=[f"{i:04d}{'DN'[i % 2]}" for i in range(10)],
                 size=(64, 96))  # fmt: skip


def training(spec):
    return SegmenterTraining(open_run(spec), load_labelled(spec, None, "cpu", True), "cpu")


def fusion(channels=1, **values):
    """A finished run whose weights were never trained."""
    run = open_run(tiny(channels=channels, **values))
    run.save_weights(create_model("bsp-cnn", channels), run.spec.total_steps)
    return run


def state_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


# --- what it is shown -------------------------------------------------------------------------


def test_sources_alone_are_the_pairs_own():
    pair = LABELLED[1]
    assert torch.equal(shown(tiny_segmenter("ir").source, LABELLED)(pair), pair.ir)
    assert torch.equal(shown(tiny_segmenter("vi").source, LABELLED)(pair), pair.vi_rgb)
    mean = shown(tiny_segmenter("mean").source, LABELLED)(pair)
    torch.testing.assert_close(mean, (pair.ir + pair.vi_rgb) / 2, rtol=0, atol=0.51 / 255)
    assert torch.equal(mean, (mean * 255).round() / 255)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("protocol", ["plain", "released"])
def test_a_runs_images_are_what_it_fuses(channels, protocol):
    run = fusion(channels)
    pair = LABELLED[1]
    if channels == 3:
        expected = fuse(run.model(), pair.ir.repeat(3, 1, 1)[None], pair.vi_rgb[None], protocol)[0]
    else:
        grey = fuse(run.model(), pair.ir[None], pair.vi[None], protocol)[0]
        visible = images.to_uint8(pair.vi_rgb).transpose(1, 2, 0)
        expected = images.recolour(grey, visible) / 255
    show = shown(tiny_segmenter(run, protocol=protocol).source, LABELLED)
    assert torch.equal(show(pair), expected)
    assert torch.equal(show(pair), expected)  # from its file


def test_a_fused_image_is_made_once_and_anew_where_its_sources_changed(monkeypatch):
    run = fusion()
    source = tiny_segmenter(run).source
    shown(source, LABELLED)(LABELLED[1])
    [file] = (run.folder / "fused" / "4_plain_scenes_train").iterdir()
    assert file.name == "0001N.png"
    before = file.read_bytes()

    def fail(*_):
        raise AssertionError("fused again")

    monkeypatch.setattr(Run, "model", fail)
    shown(source, LABELLED)(LABELLED[1])
    larger = open_pairs("scenes", "train", names=["0001N"], size=(64, 100))
    with pytest.raises(AssertionError, match="fused again"):
        shown(source, larger)(larger[0])
    monkeypatch.undo()
    assert file.read_bytes() == before


def test_a_folders_images_are_read(tmp_path):
    for pair in LABELLED:
        images.write(tmp_path / f"{pair.name}_fused.png", pair.vi)
    show = shown(tiny_segmenter(tmp_path).source, LABELLED)
    assert torch.equal(show(LABELLED[2]), LABELLED[2].vi.expand(3, -1, -1))


def test_a_run_that_cannot_show_images_is_refused():
    with pytest.raises(FusionError, match=r"There is no run 0123456789ab in .*store: train it"):
        go(tiny_segmenter("0123456789ab"))
    begun = open_run(tiny(steps=9))
    with pytest.raises(FusionError, match=f"Run {begun.key} is at step 0 of 9: train it to its en"):
        go(tiny_segmenter(begun))
    other = open_run(tiny_segmenter())
    with pytest.raises(FusionError, match=f"Run {other.key} is a segmenter, not a fusion"):
        go(tiny_segmenter(other))
    early = dataclasses.replace(tiny_segmenter(fusion()).source, step=2)
    with pytest.raises(FusionError, match="holds no weights of step 2"):
        go(dataclasses.replace(tiny_segmenter(), source=early))


# --- what it learns from ----------------------------------------------------------------------


def test_images_and_labels_are_brought_to_one_size():
    base = load_labelled(tiny_segmenter(), None, "cpu", True)
    assert (base.images.shape, base.labels.shape) == ((6, 3, 32, 48), (6, 32, 48))
    assert base.images.dtype == base.labels.dtype == torch.uint8
    weights = torch.tensor([1, 3, 3, 1]) / 8  # of a triangle two pixels wide either way
    kernel = (weights[:, None] * weights).expand(3, 1, 4, 4)
    for place, pair in enumerate(LABELLED):
        assert torch.equal(base.labels[place].long(), pair.labels[1::2, 1::2])
        inside = base.images[place, :, 1:-1, 1:-1].float() / 255
        expected = F.conv2d(pair.vi_rgb[None, :, 1:-1, 1:-1], kernel, stride=2, groups=3)[0]
        torch.testing.assert_close(inside, expected, atol=0.51 / 255, rtol=0)
    index = torch.tensor([[4, 4], [1, 1]])
    seen, labels = base.gather(index)
    assert torch.equal(seen, base.images[[4, 1]].float() / 255)
    assert torch.equal(labels, base.labels[[4, 1]].long())
    assert (seen.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_at_their_own_size_nothing_changes():
    base = load_labelled(tiny_segmenter("ir", size=(64, 96)), None, "cpu", True)
    for place, pair in enumerate(LABELLED):
        assert torch.equal(base.images[place].float() / 255, pair.ir)
        assert torch.equal(base.labels[place].long(), pair.labels)


def test_mixes_keep_both_sources_and_are_scored_by_their_mean():
    spec = tiny_segmenter("mixes", size=(64, 96))
    base = load_labelled(spec, None, "cpu", True)
    assert base.images.shape == (6, 4, 64, 96)
    pair = LABELLED[2]
    assert torch.equal(base.images[2].float() / 255, torch.cat((pair.ir, pair.vi_rgb)))
    scored = shown(spec.source, LABELLED)(pair)
    assert torch.equal(scored, shown(tiny_segmenter("mean").source, LABELLED)(pair))


def test_a_mix_is_between_its_sources_or_the_brighter_one_and_never_more_colourful():
    torch.manual_seed(0)
    pair = LABELLED[1]
    both = torch.cat((pair.ir, pair.vi_rgb)).expand(64, -1, -1, -1)
    made = mixed(both)
    assert made.shape == (64, 3, 64, 96)
    ir, vi = pair.ir, pair.vi_rgb
    grey = rgb_to_ycbcr(made)[:, 0]
    of_vi = rgb_to_ycbcr(vi)[0]
    brighter = rgb_to_ycbcr(torch.maximum(ir, vi))[0]
    least, most = torch.minimum(ir[0], of_vi), torch.maximum(ir[0], of_vi)
    weighted = ((grey >= least - 1e-5) & (grey <= most + 1e-5)).all((1, 2))
    largest = ((grey - brighter).abs() < 1e-5).all((1, 2))
    assert (weighted | largest).all()
    assert 0.1 < largest.float().mean() < 0.4
    spread = made.amax(1) - made.amin(1)
    assert (spread <= (vi.amax(0) - vi.amin(0)).clamp_min(0) + most.sub(least) + 1e-5).all()
    # Each is another one.
    assert len({image.sum().item() for image in made}) == 64


def test_mixes_train_and_are_held_out_by_their_mean(monkeypatch):
    seen, loss_of = [], SegmenterTraining.loss_of

    def watched(self, images, labels):
        seen.append((images, self.model.training))
        return loss_of(self, images, labels)

    monkeypatch.setattr(SegmenterTraining, "loss_of", watched)
    run = go(tiny_segmenter("mixes", TEN, batch=3, steps=3, patience=2))
    assert run.finished
    assert {images.shape[1] for images, _ in seen} == {3}
    (held,) = [images for images, training in seen if not training]
    pair = TEN[9]
    mean = scaled((pair.ir + pair.vi_rgb) / 2, (32, 48))
    torch.testing.assert_close(held[0], mean, atol=1.01 / 255, rtol=0)


def test_other_images_than_the_specs_are_refused():
    spec = tiny_segmenter()
    other = dataclasses.replace(spec.source, fingerprint="0" * 16)
    with pytest.raises(FusionError, match="not those that the spec was made from"):
        go(dataclasses.replace(spec, source=other))


def test_labels_that_are_no_classes_are_refused(monkeypatch):
    spec = tiny_segmenter()
    monkeypatch.setattr(type(LABELLED[0]), "labels", torch.full((64, 96), 9))
    with pytest.raises(FusionError, match="0000D holds class 9, but the classes of scenes go from"):
        go(spec)


# --- what a step does -------------------------------------------------------------------------


def test_it_is_adamw_on_the_cross_entropy_of_all_pixels():
    spec = tiny_segmenter("ir", steps=5, seed=4, lr=1e-3)
    run = go(spec)

    torch.manual_seed(4)
    network = segformer("b0", 9).train()
    adam = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)  # same rounding as ours
    draw, totals = Draw("strict", 6, 6, 6, 4), []
    base = load_labelled(spec, None, "cpu", True)
    order = np.concatenate([draw.epoch(epoch)[:, 0] for epoch in (0, 1)])
    assert sorted(order[:6]) == list(range(6))
    for step in range(5):
        places = order[2 * step : 2 * step + 2]
        logits = network(base.images[places].float() / 255)
        chance = logits.log_softmax(1).gather(1, base.labels[places].long()[:, None])
        for group in adam.param_groups:
            group["lr"] = 1e-3 * math.cos(math.pi * step / 10) ** 2
        adam.zero_grad()
        (-chance.mean()).backward()
        adam.step()
        totals.append(-chance.mean().item())

    history = run.history()
    assert list(history.columns) == ["step", "epoch", "total"]
    assert history["epoch"].tolist() == [1, 1, 1, 2, 2]
    np.testing.assert_allclose(history["total"], totals, rtol=1e-4)
    assert run.steps == [5]
    assert run.provenance["steps"] == 5


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_rare_classes_can_count_more(balance):
    spec = tiny_segmenter(balance=balance)
    one = training(spec)
    labels = one.base.labels.long()
    shares = torch.stack([(labels == k).float().mean() for k in range(9)])
    torch.testing.assert_close(one.class_weights, (1 / torch.log(1.02 + shares)) ** balance)
    assert training(tiny_segmenter()).class_weights is None
    logits = torch.randn(2, 9, 32, 48)
    one.model.forward = lambda images: logits
    found = one.loss_of(torch.zeros(2, 3, 32, 48), labels[:2])
    chance = logits.log_softmax(1).gather(1, labels[:2, None])[:, 0]
    weights = one.class_weights[labels[:2]]
    torch.testing.assert_close(found, -(weights * chance).sum() / weights.sum())
    assert spec.key != tiny_segmenter().key


def test_the_loss_falls():
    total = go(tiny_segmenter(steps=24, lr=1e-3)).history()["total"]
    assert total[-3:].mean() < 0.6 * total[:3].mean()


def test_one_class_alone_in_a_batch():
    one = training(tiny_segmenter(steps=3))
    one.base = LabelledImages(one.base.images, torch.zeros_like(one.base.labels))
    while not one.done:
        one.one_step()
    assert one.losses.isfinite().all()
    assert all(weight.isfinite().all() for weight in one.model.parameters())


def test_shards_are_learnt_from_apart():
    parts = go(tiny_segmenter(steps=1, batch=4, shards=2)).history()["total"]
    whole = go(tiny_segmenter(steps=1, batch=4)).history()["total"]
    assert parts[0] != whole[0]  # a batch norm sees a part
    assert parts[0] == pytest.approx(whole[0], rel=0.2)


def test_augmented_images_are_others():
    plain, changed = (go(tiny_segmenter(augment=augment)).history() for augment in (False, True))
    assert (plain["total"] != changed["total"]).all()


def test_bfloat16_trains_float32_weights():
    run = go(tiny_segmenter(steps=2, precision="bfloat16"))
    assert all(value.dtype == torch.float32 for value in run.model().parameters())
    exact = go(tiny_segmenter(steps=2)).history()
    assert not np.array_equal(run.history()["total"], exact["total"])


# --- beginning with weights -------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(77)
    file = tmp_path / "begun.safetensors"
    save_file(segformer("b0", 15).state_dict(), file)
    return file


def test_the_encoder_stands_still_at_first(weights):
    one = training(tiny_segmenter(weights=str(weights), frozen=0.5, steps=4))
    begun = load_file(weights)
    encoder = {name: begun[f"layers.segformer.{name}"] for name in one.model.encoder.state_dict()}
    decoder = state_of(one.model.decoder)
    for _ in range(2):
        one.one_step()
        assert same(encoder, one.model.encoder.state_dict())
    assert not torch.equal(decoder["classifier.weight"], one.model.decoder.classifier.weight)
    one.one_step()
    moved = one.model.encoder.state_dict()
    names = [f"stages.{stage}.patch_embeddings.proj.weight" for stage in range(4)]
    assert not any(torch.equal(encoder[name], moved[name]) for name in names)


def test_a_run_gives_its_last_weights():
    base = go(tiny_segmenter(steps=2))
    one = training(tiny_segmenter("ir", weights=base.key))
    assert same(base.model().state_dict(), one.model.state_dict())
    assert one.step == 0


def test_a_run_that_has_no_such_weights_is_refused():
    begun = open_run(tiny_segmenter())
    with pytest.raises(FusionError, match=f"Run {begun.key} is at step 0 of 4: train it to its en"):
        training(tiny_segmenter("ir", weights=begun.key))
    with pytest.raises(FusionError, match="is a fusion, not a segmenter"):
        training(tiny_segmenter("ir", weights=fusion().key))


def test_the_rate_falls_in_two_cosines(weights):
    one = training(tiny_segmenter(weights=str(weights), steps=80, lr=5e-4))
    rates = []
    for one.step in range(80):
        rates.append(one.rate())
    # 30 of 80 steps from 5e-4 to 3e-5, then to 0.
    assert rates[0] == pytest.approx(5e-4)
    assert rates[15] == pytest.approx((5e-4 + 3e-5) / 2)
    assert rates[30] == pytest.approx(3e-5)
    assert rates[55] == pytest.approx(1.5e-5)
    assert 0 < rates[79] < 1e-7
    assert rates == sorted(rates, reverse=True)


def test_a_file_of_another_encoder_is_refused_before_training(weights):
    with pytest.raises(FusionError, match=r"lacks .* tensors of this SegFormer"):
        go(tiny_segmenter(weights=str(weights), encoder="b1"))


# --- an early end -----------------------------------------------------------------------------


def test_patience_waits_for_a_smaller_loss():
    network, patience = torch.nn.Linear(1, 1), Patience(2)
    best = None
    for loss, over in [(3, False), (2, False), (2, False), (1, False), (5, False), (1, True)]:
        with torch.no_grad():
            network.weight += 1
        patience.note(loss, network)
        best = network.weight.item() if loss == 1 and best is None else best
        assert patience.over == over
    again = Patience(2)
    content = io.BytesIO()
    torch.save(patience.state_dict(), content)
    again.load_state_dict(torch.load(io.BytesIO(content.getvalue()), weights_only=True))
    assert again.over
    again.give_back(network)
    assert network.weight.item() == best


def held_out_losses(monkeypatch, losses):
    """Let the epochs have these held-out losses; gives what was noted, and weights."""
    note, noted = Patience.note, []

    def scripted(self, loss, network):
        noted.append((loss, state_of(network)))
        note(self, losses[len(noted) - 1], network)

    monkeypatch.setattr(Patience, "note", scripted)
    return noted


def test_it_ends_early_with_the_best_weights(monkeypatch):
    noted = held_out_losses(monkeypatch, [3, 2, 4, 4, 1])
    spec = tiny_segmenter(pairs=TEN, epochs=9, steps=None, batch=3, patience=2)
    run = go(spec)
    assert len(noted) == 4
    assert run.finished
    assert (run.steps, run.at) == ([27], 27)
    assert len(run.history()) == run.provenance["steps"] == 12
    assert same(noted[1][1], run.model().state_dict())
    assert go(spec) == run


def test_the_best_weights_are_kept_where_it_does_not_end_early(monkeypatch):
    noted = held_out_losses(monkeypatch, [3, 1, 2])
    run = go(tiny_segmenter(pairs=TEN, epochs=3, steps=None, batch=3, patience=2))
    assert len(run.history()) == 9
    assert same(noted[1][1], run.model().state_dict())


def test_every_tenth_image_is_held_out(monkeypatch):
    noted = held_out_losses(monkeypatch, [1])
    spec = tiny_segmenter(pairs=TEN, epochs=1, steps=None, batch=3, patience=1)
    one = training(spec)
    assert (spec.trained, len(one.draw.epoch(0))) == (9, 9)
    while not one.done:
        one.one_step()
    [(loss, weights)] = noted
    network = segformer("b0", 9).eval()
    network.load_state_dict(weights)
    whole = load_labelled(dataclasses.replace(spec, patience=None), None, "cpu", True)
    with torch.no_grad():
        logits = network(whole.images[9:].float() / 255)
    expected = F.cross_entropy(logits, whole.labels[9:].long())
    assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_kill_before_the_early_ends_weights_loses_nothing(monkeypatch):
    noted = held_out_losses(monkeypatch, [3, 2, 4, 4])
    spec = tiny_segmenter(pairs=TEN, epochs=9, steps=None, batch=3, patience=2)
    save = Run.save_weights

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save_weights", killed)
    with pytest.raises(KeyboardInterrupt):
        go(spec)
    monkeypatch.setattr(Run, "save_weights", save)
    run = go(spec)
    assert len(noted) == 4
    assert same(noted[1][1], run.model().state_dict())
    assert len(run.history()) == 12


# --- the store, a kill, and the other doors ---------------------------------------------------


def in_another_process(spec, before=""):
    file = open_run(spec).folder / "spec.json"
    code = (
        "import os, signal, sys\n"
        "from fusionlib.training import loop\n"
        "from fusionlib.training.__main__ import main\n"
        f"{before}\n"
        f"sys.exit(main([{str(file)!r}, '--device', 'cpu', '--quiet']))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


KILL = """
loop.CHECKPOINT_SECONDS = -1
one_step = loop.Training.one_step
def killed(self):
    if self.step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    one_step(self)
loop.Training.one_step = killed
"""


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, monkeypatch):
    spec = tiny_segmenter(fusion(), steps=7, augment=True)
    assert in_another_process(spec, KILL).returncode == -signal.SIGKILL
    run = open_run(spec)
    assert torch.load(run.state_file, weights_only=True)["step"] == 4
    assert not run.finished
    steps, one_step = [], loop.Training.one_step

    def noted(self):
        steps.append(self.step)
        one_step(self)

    monkeypatch.setattr(loop.Training, "one_step", noted)
    assert go(spec).finished
    assert steps == [4, 5, 6]
    assert not run.state_file.exists()
    made = [run.weights_file(7).read_bytes(), (run.folder / "history.csv").read_bytes()]

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "unbroken"))
    torch.manual_seed(0)
    unbroken = go(tiny_segmenter(fusion(), steps=7, augment=True))
    assert unbroken.folder != run.folder
    assert steps == [4, 5, 6, *range(7)]
    assert unbroken.weights_file(7).read_bytes() == made[0]
    assert (unbroken.folder / "history.csv").read_bytes() == made[1]


@pytest.mark.slow
def test_submitted_and_planned_as_other_runs(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    fusing = fusion()
    # Both runs that it builds on lie in the store, which a probe must not hide.
    base = open_run(tiny_segmenter())
    base.save_weights(base.spec.network(), 4)
    spec = tiny_segmenter(fusing, steps=3, weights=base.key)
    ahead = plan([spec], workers=1, device="cpu", steps=2)
    assert (ahead.runs, ahead.steps) == (1, 3)
    assert list(ahead.seconds) == ["segformer-b0 float32 2x32x48"]
    assert not open_run(spec).finished
    [run] = submit([spec], workers=1, threads=1, device="cpu", quiet=True)
    assert run.finished
    again = json.loads((run.folder / "spec.json").read_text())
    assert again["kind"] == "segmenter"
    assert Run(run.folder).spec == spec
    assert cli(["runs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    [line] = [line for line in lines if line.startswith(run.key)]
    assert line.startswith(f"{run.key}  segformer-b0  on {fusing.key}  6 images 32x48  scenes")
    assert line.endswith("finished")


def test_a_segmenter_does_not_fuse_and_is_not_stacked():
    run = go(tiny_segmenter(steps=1))
    with pytest.raises(FusionError, match=f"Run {run.key} is a segmenter, which fuses nothing"):
        choose_model(run)
    with pytest.raises(FusionError, match=f"Run {run.key} is a segmenter, .* segment_scores"):
        evaluate(run, LABELLED)
    with pytest.raises(FusionError, match=f"Run {run.key} trains a segmenter: those are not stac"):
        train_stack([tiny(), run.spec])
    # Asked for stacks, `submit` trains each in a process of its own.
    mixed = [open_run(spec) for spec in (tiny(), run.spec, tiny(seed=1))]
    assert _stacks(mixed, 3) == [[mixed[0], mixed[2]], [mixed[1]]]


def test_nothing_is_compiled():
    with pytest.raises(FusionError, match="or of a segmenter, trains eager"):
        go(tiny_segmenter(), compiled=True)
