"""The run store: whole files, one folder a spec, weights without pickled code."""

import dataclasses
import json
import os
import pickle
import resource
from contextlib import contextmanager

import pytest
import torch

from fusionlib.data.base import PatchSource
from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.models import create_model
from fusionlib.training import Spec, open_run, runs
from fusionlib.training.store import Run

IR, VI = (PatchSource(side, "scenes", "train", ("0000D",), "0" * 16) for side in ("ir", "vi"))
SPEC = Spec("bsp-cnn", IR, VI, relation="strict", pairs=8, steps=4)


@contextmanager
def files_at_most(size):
    """Let the system refuse to write more than `size` bytes to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "new" / "spec.json"
    write_whole(file, lambda path: path.write_text("one"))
    write_whole(file, lambda path: path.write_text("two"))
    assert file.read_text() == "two"
    assert names(file.parent) == ["spec.json"]


def test_a_run_made_under_another_default_is_not_taken_for_this_one():
    run = open_run(SPEC)
    file = run.folder / "spec.json"
    text = file.read_text()
    assert open_run(SPEC) == run
    file.write_text(text.replace('"lr": 0.0001', '"lr": 0.1'))
    with pytest.raises(FusionError, match=f"{run.folder} was made from other values"):
        open_run(SPEC)
    # A field that the version before did not have stands for its default.
    file.write_text(text.replace(' "lr": 0.0001,\n', ""))
    assert open_run(SPEC).spec == SPEC


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text("old")

    def stop(path):
        path.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(file, stop)
    assert file.read_text() == "old"
    assert names(tmp_path) == ["history.csv"]


def test_a_full_disk_names_the_file_and_the_remedy(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text("old")
    message = r"history\.csv cannot be written \(File too large\): check the folder and its free"
    with files_at_most(4096), pytest.raises(FusionError, match=message):
        write_whole(file, lambda path: path.write_text("x" * 10_000))
    assert file.read_text() == "old"
    assert names(tmp_path) == ["history.csv"]


def test_a_full_disk_while_weights_are_written_keeps_the_old_ones():
    run, model = open_run(SPEC), create_model("bsp-cnn")
    run.save_weights(model, 2)
    before = run.weights_file(2).read_bytes()
    with files_at_most(65_536), pytest.raises(FusionError, match="cannot be written"):
        run.save_weights(create_model("bsp-cnn"), 2)
    assert run.weights_file(2).read_bytes() == before
    assert names(run.folder) == ["spec.json", "step-000002.safetensors"]


def test_a_store_that_cannot_be_made_is_named(store):
    store.write_text("a file, not a folder")
    with pytest.raises(FusionError, match=f"{store}.*check the folder"):
        open_run(SPEC)


def test_a_run_is_a_folder_named_by_the_key(store):
    run = open_run(SPEC)
    assert run.folder == store / SPEC.key
    assert run.key == SPEC.key
    assert Run(run.folder).spec == SPEC
    assert not run.finished
    assert run.steps == []
    assert json.loads((run.folder / "spec.json").read_text())["relation"] == "strict"


def test_opening_again_changes_nothing():
    file = open_run(SPEC).folder / "spec.json"
    before = file.stat().st_mtime_ns
    assert open_run(SPEC) == open_run(SPEC)
    assert file.stat().st_mtime_ns == before


def test_runs_lists_the_oldest_first(store):
    assert runs() == []
    made = [open_run(dataclasses.replace(SPEC, seed=seed)) for seed in (2, 0, 1)]
    for age, run in enumerate(reversed(made)):
        os.utime(run.folder / "spec.json", (1e9 - age, 1e9 - age))
    (store / "scratch").mkdir()
    assert runs() == made


def test_weights_come_back_in_eval_mode():
    run, model = open_run(SPEC), create_model("bsp-cnn")
    model(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))  # moves the running statistics
    run.save_weights(model, 2)
    again = run.model(2)
    assert not again.training
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert run.steps == [2]
    assert not run.finished
    run.save_weights(model, 4)
    assert run.finished
    assert run.model() is not None


def test_weights_that_were_not_kept_are_refused():
    run = open_run(SPEC)
    run.save_weights(create_model("bsp-cnn"), 2)
    with pytest.raises(FusionError, match=rf"{SPEC.key} holds no weights of step 4.*\[2\]"):
        run.model()


def test_weights_never_run_pickled_code(tmp_path):
    trap = tmp_path / "trap"

    class Code:
        def __reduce__(self):
            return open, (str(trap), "w")

    run = open_run(SPEC)
    run.weights_file(4).write_bytes(pickle.dumps(Code()))
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever safetensors says)
        run.model()
    assert not trap.exists()
    pickle.loads(pickle.dumps(Code())).close()
    assert trap.exists()  # the code would have run
