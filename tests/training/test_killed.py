"""What a kill leaves: a training that goes on, and ends with the same bytes.

Run as a script it is the process that `crashes` starts: it trains, kills
itself at a chosen place, and trains again.
"""

import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from fusionlib.models import create_model
from fusionlib.training import loop
from fusionlib.training.loop import Training
from fusionlib.training.store import Run
from tests.training.small import go, tiny

# Killed trainings of 16 steps: snapshots, and with them checkpoints, at all but 2, 6, 10 and 14;
# checkpoints there too where the name says so.

RANDOM = 12
LONG = {"steps": 16, "seed": 5, "lr": 1e-3}
KILLS = {
    # name: (place, step of the kill, step from which the next process goes on)
    "before the first checkpoint": ("step", 0, 0),
    "between two checkpoints": ("step", 6, 5),
    "within an epoch, checkpoints often": ("step", 10, 10),
    "while a checkpoint is written": ("checkpoint", 11, 9),
    "between checkpoint and weights": ("weights", 12, 12),
    "after a snapshot": ("snapshot", 13, 13),
    "before the last weights": ("weights", 16, 16),
    "after the last weights": ("snapshot", 16, 16),
}


def kill_at(place, step):
    """Make this process kill itself there, as the system does: no clean-up."""

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    one_step, write, save_weights = Training.one_step, Path.write_bytes, Run.save_weights

    def killed_step(self):
        if place == "step" and self.step == step:
            die()
        one_step(self)

    def killed_write(path, content):
        if place == "checkpoint" and "state.pt" in path.name:
            state = torch.load(io.BytesIO(bytes(content)), weights_only=True)
            if state["step"] == step:
                write(path, b"the first bytes")
                die()
        return write(path, content)

    def killed_weights(self, model, at):
        if place == "weights" and at == step:
            die()
        save_weights(self, model, at)

    Training.one_step, Path.write_bytes, Run.save_weights = (
        killed_step,
        killed_write,
        killed_weights,
    )
    return lambda _, at: die() if place == "snapshot" and at == step else None


def note_steps(file):
    one_step = Training.one_step

    def noted(self):
        with file.open("a") as notes:
            notes.write(f"{self.step}\n")
        one_step(self)

    Training.one_step = noted


def in_child(store, work):
    """Do `work` in a forked process; its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            os.environ["FUSIONLIB_STORE"] = str(store)
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return child


def exit_code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crash(spec, name, store):
    place, step, _ = KILLS[name]

    def first():
        loop.CHECKPOINT_SECONDS = -1 if "often" in name else 1e9
        go(spec, on_snapshot=kill_at(place, step))

    def second():
        note_steps(store / "steps")
        go(spec)

    assert exit_code(in_child(store, first)) == -signal.SIGKILL
    assert exit_code(in_child(store, second)) == 0


def kill_at_random(spec, folder, seconds):
    """Kill trainings of `seconds` at any instant, RANDOM times in all, and let each end."""
    chance, number, killed = random.Random(0), 0, 0

    def work():
        loop.CHECKPOINT_SECONDS = -1  # after each step
        go(spec)

    while killed < RANDOM:
        child = in_child(folder / f"random {number}", work)
        time.sleep(chance.uniform(0, seconds))
        os.kill(
            child, signal.SIGKILL
        )  # it stays a zombie if it has ended, so the number is its own
        code = exit_code(child)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        number += code == 0
    assert exit_code(in_child(folder / f"random {number}", work)) == 0


def main(folder):
    torch.set_num_threads(1)  # threads would not survive a fork
    spec = tiny(**LONG)
    torch.optim.Adam(create_model("bsp-cnn").parameters())  # imports much, here once for all
    began = time.monotonic()
    assert exit_code(in_child(folder / "unbroken", lambda: go(spec))) == 0
    kill_at_random(spec, folder, time.monotonic() - began)
    for name in KILLS:
        crash(spec, name, folder / name)

    def together():
        note_steps(folder / "together" / "steps")
        go(spec)

    (folder / "together").mkdir()
    children = [in_child(folder / "together", together) for _ in range(2)]
    assert [exit_code(child) for child in children] == [0, 0]


@pytest.fixture(scope="module")
def crashes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crashes")
    root = str(Path(__file__).parents[2])  # for this folder's own imports
    path = os.pathsep.join([root, *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, __file__, folder],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def contents(folder):
    """What a training made: name and bytes of weights and history."""
    (run,) = (file.parent for file in folder.glob("*/spec.json"))
    made = [*run.glob("*.safetensors"), run / "history.csv"]
    return {file.name: file.read_bytes() for file in made}


def steps_of(folder):
    file = folder / "steps"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_training_ends_with_the_same_bytes(crashes, name):
    unbroken = contents(crashes / "unbroken")
    assert len(unbroken) == len(tiny(**LONG).snapshots) + 1
    assert contents(crashes / name) == unbroken
    # It went on where the checkpoint was, and did not start anew.
    assert steps_of(crashes / name) == list(range(KILLS[name][2], 16))


def test_killed_at_any_instant_a_training_ends_with_the_same_bytes(crashes):
    ended = sorted(crashes.glob("random *"))
    assert ended
    for folder in ended:
        assert contents(folder) == contents(crashes / "unbroken")
        assert not list(folder.glob("*/state.pt"))


@pytest.mark.parametrize("name", KILLS)
def test_a_finished_run_keeps_no_state(crashes, name):
    assert not list((crashes / name).glob("*/state.pt"))


def test_two_processes_train_one_spec_once(crashes):
    assert steps_of(crashes / "together") == list(range(16))
    assert contents(crashes / "together") == contents(crashes / "unbroken")


def test_the_history_of_a_killed_training_has_no_hole(crashes):
    (file,) = (crashes / "between two checkpoints").glob("*/history.csv")
    assert pd.read_csv(file)["step"].tolist() == list(range(1, 17))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
