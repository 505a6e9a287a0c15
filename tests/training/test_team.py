"""Two gloo processes train what one trains that splits its batch alike.

Run as a script it is a process that torchrun starts: rank 1 of the first try
kills itself on the way.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fusionlib.errors import FusionError
from fusionlib.training import open_run
from fusionlib.training.__main__ import main, read_spec
from fusionlib.training.loop import Training
from fusionlib.training.team import Team
from tests.training.small import go, tiny

CHECKOUT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def shared(folder, spec, processes=2, program=("-m", "fusionlib.training")):
    """Train `spec` under torchrun in a store of its own; returns its run there."""
    store = folder / "shared"
    file = folder / "spec.json"
    file.write_text(json.dumps(spec.to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), "--max-restarts", "1"]
    command += [*program, str(file), "--device", "cpu", "--quiet"]
    environment = {**os.environ, "FUSIONLIB_STORE": str(store)}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(store))
        return open_run(spec)


@pytest.mark.parametrize(
    "values",
    [
        {"model": "bsp-cnn"},
        {"model": "bsp-transformer"},
        {"model": "bsp-gan"},
        {"model": "seafusion"},  # which holds weights that it does not use
    ],
    ids=lambda values: values["model"],
)
def test_two_processes_have_the_losses_of_one_with_two_shards(store, values):
    spec = tiny(steps=20, batch=4, shards=2, **values)
    alone, together = go(spec), shared(store, spec)
    assert together.key == alone.key
    assert sorted(f.name for f in together.folder.iterdir()) == sorted(
        f.name for f in alone.folder.iterdir()
    )
    mine, theirs = alone.history(), together.history()
    assert list(mine.columns) == list(theirs.columns)
    np.testing.assert_allclose(mine, theirs, atol=1e-4)
    # Not the same as a batch in one piece, whose statistics are others.
    whole = go(tiny(steps=20, batch=4, **values)).history()
    assert abs(whole["total"] - mine["total"]).max() > 1e-4


def test_a_process_that_dies_is_started_again_and_all_go_on(store):
    spec = tiny(steps=16, batch=4, shards=2)
    alone, together = go(spec), shared(store, spec, program=("-m", __name__))
    np.testing.assert_allclose(alone.history(), together.history(), atol=1e-4)
    assert (together.folder / "died").read_text() == "11"
    # The checkpoint of a snapshot before, not the beginning.
    assert int((together.folder / "resumed").read_text()) in spec.snapshots


def test_more_processes_than_shards_are_refused(monkeypatch):
    monkeypatch.setattr(Team, "__init__", lambda self: vars(self).update(rank=0, size=2))
    with pytest.raises(FusionError, match=r"2 processes can't share the 1 shards.*shards=2"):
        go(tiny())


def test_a_file_without_a_spec_is_refused(store, capsys):
    for text in ("", "[]", '{"model": "bsp-cnn"}'):
        (store / "wrong.json").write_text(text)
        assert main([str(store / "wrong.json")]) == 2
        assert "holds no spec" in capsys.readouterr().err
    assert main([str(store / "nowhere.json")]) == 2


def test_a_spec_from_a_file_is_the_spec(store):
    spec = tiny(model="bsp-gan", shards=3)
    (store / "spec.json").write_text(json.dumps(spec.to_dict()))
    assert read_spec(store / "spec.json") == spec


def die_on_the_way():
    """Rank 1 kills itself before step 11 of the first try; rank 0 notes where the second begins."""
    one_step = Training.one_step
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"

    def step(self):
        if first and self.team.rank == 1 and self.step == 11:
            (self.run.folder / "died").write_text(str(self.step))
            os.kill(os.getpid(), signal.SIGKILL)
        if not first and self.team.leads and not (self.run.folder / "resumed").exists():
            (self.run.folder / "resumed").write_text(str(self.step))
        one_step(self)

    Training.one_step = step


if __name__ == "__main__":
    die_on_the_way()
    sys.exit(main())
