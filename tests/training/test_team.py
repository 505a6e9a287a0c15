"""Two gloo processes train what one trains that splits its batch alike."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fusionlib.training import open_run
from tests.training.small import go, tiny

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def shared(folder, spec, processes=2, **environment):
    """Train `spec` under torchrun in a store of its own; returns its run there."""
    store = folder / "shared"
    environment = {**os.environ, **environment, "FUSIONLIB_STORE": str(store)}
    file = folder / "spec.json"
    file.write_text(json.dumps(spec.to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), "--max-restarts", "1"]
    command += ["-m", "fusionlib.training", str(file), "--device", "cpu", "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIONLIB_STORE", str(store))
        return open_run(spec)


@pytest.mark.parametrize(
    "values",
    [{"model": "bsp-cnn"}, {"model": "bsp-transformer"}, {"model": "bsp-gan"}],
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
