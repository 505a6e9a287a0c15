"""A training beside this process, and what a stop leaves of it."""

import os
import signal
import threading
import time

import pytest
import torch

from fusionlib.data.base import PatchSource
from fusionlib.training import Background, open_run, train_stack
from fusionlib.training.loop import Training
from fusionlib.training.stops import Stops
from tests.training.small import go, tiny

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    torch.set_num_threads(1)
    return tmp_path / "store"


def wait(until):
    while not until():
        time.sleep(0.05)


# --- a process of its own -----------------------------------------------------------------


def test_stopped_and_resumed_it_ends_with_the_weights_of_one_that_was_not(tmp_path, monkeypatch):
    spec = tiny(steps=150)
    beside = Background(spec, device="cpu")
    run = beside.run
    assert (beside.alive, beside.failure, len(run.history())) == (False, None, 0)
    beside.start()
    wait(lambda: run.at > 1)
    assert run.busy
    beside.start()  # it is at work: no second process
    assert Background(spec).process is beside.process
    seen = run.at
    beside.stop()
    beside.process.wait()
    assert beside.failure is None
    assert not run.busy
    assert not run.finished
    # Not a step is lost.
    assert len(run.history()) == run.at >= seen
    stopped_at = run.at
    beside.start()
    beside.process.wait()
    assert beside.failure is None
    assert run.finished
    assert run.history()["step"].tolist() == list(range(1, 151))
    assert stopped_at < 150

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "alone"))
    alone = go(spec)
    assert alone.folder != run.folder
    for step in spec.snapshots:
        assert run.weights_file(step).read_bytes() == alone.weights_file(step).read_bytes()
    assert run.history().equals(alone.history())


def test_a_failure_says_what_to_do():
    other = PatchSource("ir", "scenes", "train", ("0001N",), "0" * 16, 32, 32, size=(64, 96))
    beside = Background(tiny(ir=other), device="cpu")
    beside.start()
    beside.process.wait()
    assert "are not those that the spec was made from" in beside.failure
    killed = Background(tiny(steps=4000), device="cpu")
    killed.start()
    wait(lambda: killed.run.at)
    killed.process.kill()
    killed.process.wait()
    assert "SIGKILL" in killed.failure


# --- a signal in the middle of a step -----------------------------------------------------


def signal_in_step(monkeypatch, step, number=signal.SIGINT):
    """Send this process a signal while it takes its step after `step`."""
    note, sent = Training.note, []

    def noted(self, terms):
        if self.step == step and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
            time.sleep(0.01)  # Python hears of it
        note(self, terms)

    monkeypatch.setattr(Training, "note", noted)
    return lambda: monkeypatch.setattr(Training, "note", note)


def test_an_interrupted_training_keeps_the_step_that_it_was_at(tmp_path, monkeypatch):
    spec = tiny(steps=100)
    mended = signal_in_step(monkeypatch, 29)
    with pytest.raises(KeyboardInterrupt):
        go(spec)
    assert len(open_run(spec).history()) == 30  # snapshots are kept at 25 and 33
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    mended()
    weights = go(spec).weights_file(100).read_bytes()
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "alone"))
    assert go(spec).weights_file(100).read_bytes() == weights


def test_an_interrupted_stack_keeps_all_of_its_steps(monkeypatch):
    specs = [tiny(steps=100, seed=seed) for seed in (0, 1)]
    signal_in_step(monkeypatch, 29)
    with pytest.raises(KeyboardInterrupt):
        train_stack(specs, device="cpu", quiet=True)
    assert [len(open_run(spec).history()) for spec in specs] == [30, 30]


def test_a_handler_that_goes_on_lets_the_training_go_on(monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(len(open_run(spec).history())))
    try:
        spec = tiny(steps=12)
        signal_in_step(monkeypatch, 6, signal.SIGTERM)
        assert go(spec).finished
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [7]


def test_a_second_signal_does_not_wait():
    with Stops() as stops:
        signal.raise_signal(signal.SIGINT)
        assert stops.came
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stops.act()


def test_other_threads_put_nothing_off():
    def work():
        with Stops() as stops:
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert not stops.came

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
