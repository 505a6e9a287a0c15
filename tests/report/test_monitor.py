"""The monitor without a browser: what a run's folder tells, its figure, its buttons."""

import time

import pandas as pd
import pytest
import torch
from PIL import Image as Picture

from fusionlib.data import open_pairs
from fusionlib.data.base import PatchSource
from fusionlib.errors import FusionError
from fusionlib.evaluation import evaluate
from fusionlib.report.monitor import Monitor, look, monitor
from fusionlib.training import open_run
from fusionlib.training.loop import Training
from tests.training.small import go, tiny, tiny_segmenter

pytestmark = pytest.mark.timeout(600)

TEST = open_pairs("scenes", "test", names=["0000D", "0001N"], size=(64, 96))


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    torch.set_num_threads(1)


def wait(until):
    while not until():
        time.sleep(0.05)


# --- an instant of a run ------------------------------------------------------------------


def test_a_run_is_looked_at_before_in_and_after_its_training(monkeypatch):
    spec = tiny(steps=24)
    run, note, seen = open_run(spec), Training.note, []
    before = look(run)
    assert (before.step, before.total, before.snapshots) == (0, 24, ())
    assert before.history.empty
    assert not before.busy
    assert not before.finished

    def noted(self, terms):
        note(self, terms)
        if self.step == 15:  # the last checkpoint is that of the snapshot at step 14
            run.note_step(15)
            seen.append(look(run))

    monkeypatch.setattr(Training, "note", noted)
    go(spec)
    (within,) = seen
    assert within.busy
    assert (within.step, within.snapshots) == (15, (2, 4, 6, 8, 10, 12, 14))
    assert within.seconds_left > 0
    after = look(run)
    assert (after.step, after.finished, after.busy, after.seconds_left) == (24, True, False, None)
    assert list(after.history) == list(within.history)
    assert len(after.history) == 24
    pd.testing.assert_frame_equal(within.history, after.history[:14], check_dtype=False)


def test_a_stopped_run_is_at_its_checkpoint(monkeypatch):
    def killed(self):
        self.run.note_step(16)
        raise KeyboardInterrupt

    step = Training.one_step
    monkeypatch.setattr(Training, "one_step", lambda t: killed(t) if t.step == 15 else step(t))
    with pytest.raises(KeyboardInterrupt):
        go(tiny(steps=24))
    moment = look(open_run(tiny(steps=24)))
    assert (moment.step, moment.busy, moment.seconds_left) == (14, False, None)


# --- what is made of it -------------------------------------------------------------------


def test_snapshots_are_scored_one_after_another_as_evaluate_does():
    spec = tiny(steps=3)
    run = go(spec)
    watched = Monitor(spec, TEST)
    moment = look(run)
    while watched.score_next(moment):
        pass
    expected = {
        step: evaluate(run, TEST, "plain", metrics=["SSIM"], step=step, progress=False)["SSIM"]
        for step in (1, 2, 3)
    }
    assert watched.scores == {step: pytest.approx(s.mean()) for step, s in expected.items()}
    figure = watched.figure(moment)
    loss, score, *images = figure.axes
    assert [line.get_label() for line in loss.lines] == ["intensity", "gradient", "ssim", "total"]
    assert loss.lines[-1].get_ydata().tolist() == moment.history["total"].tolist()
    assert score.lines[0].get_xdata().tolist() == [1, 2, 3]
    titles = ["infrared", "visible", "fused after step 1", "fused after step 3"]
    assert [axis.get_title() for axis in images] == titles
    words = watched.in_words(moment)
    assert words.startswith("After step 3 of 3, intensity ")
    assert words.endswith(f"SSIM of step 3 {watched.scores[3]:.3f}")


def test_without_a_reader_it_trains_here_and_shows_the_end(tmp_path, capsys):
    spec, path = tiny(steps=3), tmp_path / "monitor.png"
    watched = monitor(spec, TEST, path)
    assert watched.run.finished
    assert watched.training.process is None
    assert list(watched.scores) == [1, 2, 3]
    with Picture.open(path) as picture:
        assert picture.width > 1000


def test_a_segmenter_is_refused():
    with pytest.raises(FusionError, match="fuses nothing to look at"):
        Monitor(tiny_segmenter(), TEST)
    with pytest.raises(FusionError, match="no protocol 'nice'"):
        Monitor(tiny(), TEST, "nice")


# --- its buttons --------------------------------------------------------------------------


def test_buttons_start_stop_and_resume_a_process(tmp_path):
    spec, path = tiny(steps=150), tmp_path / "monitor.png"
    watched = Monitor(spec, TEST)
    parts = watched.widget(path).parts
    go, stop, told, picture = (parts[name] for name in ("go", "stop", "told", "picture"))
    wait(lambda: 'alt="After step 0 of 150"' in picture.value)
    assert (go.description, go.disabled, stop.disabled) == ("Start", False, True)
    assert told.value == "150 steps, not begun"
    go.click()
    wait(lambda: "SSIM of step" in picture.value)
    assert go.disabled
    assert not stop.disabled
    stop.click()
    wait(lambda: told.value.startswith("stopped at step"))
    assert (go.description, go.disabled, stop.disabled) == ("Resume", False, True)
    at = parts["bar"].value
    assert 0 < at == len(watched.run.history()) < 150
    assert not path.exists()
    go.click()
    parts["follower"].join()  # it ends with the training
    assert told.value == "finished: 150 steps"
    assert parts["bar"].value == 150
    assert go.disabled
    assert stop.disabled
    assert "After step 150 of 150" in picture.value
    assert list(watched.scores) == list(spec.snapshots)
    assert path.exists()


def test_a_failure_is_told_and_can_be_tried_again():
    other = PatchSource("ir", "scenes", "train", ("0001N",), "0" * 16, 32, 32, size=(64, 96))
    box = Monitor(tiny(ir=other), TEST).widget()
    told, go = box.parts["told"], box.parts["go"]
    go.click()
    wait(lambda: "failed" in told.value)
    assert "are not those that the spec was made from" in told.value
    assert "<b" in told.value
    wait(lambda: not go.disabled)
    # A closed box is not looked at any more.
    box.close()
    box.parts["follower"].join()
