"""Which network fuses: trained, of a run, of a file, or one at hand."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import fusionlib
from fusionlib import images
from fusionlib.data import open_folders
from fusionlib.errors import FusionError
from fusionlib.fusing import fuse_files
from fusionlib.fusing_model import choose_model, fingerprint
from fusionlib.inference import fuse
from tests.fusing_toys import (
    Blend,
    at,
    folders,
    store,
)

__all__ = ["at", "folders", "store"]  # fixtures


@dataclass
class ToyRun:
    key: str
    steps: list = field(default_factory=list)
    total: int = 9
    channels: int = 1

    @property
    def spec(self):
        return SimpleNamespace(total_steps=self.total, kind="fusion")

    @property
    def finished(self):
        return self.total in self.steps

    def weights_file(self, step):
        return Path(f"store/{self.key}/step-{step:06d}.safetensors")

    def model(self):
        return Blend(channels=self.channels)


@pytest.fixture
def runs(monkeypatch):
    """A store of toy runs."""
    found = [
        ToyRun("abcd00000001", [3, 9]),
        ToyRun("abcd00000002", [9]),
        ToyRun("123400000000", [3, 6]),
        ToyRun("567800000000"),
        ToyRun("9999aaaa0000", [9], channels=3),
    ]
    monkeypatch.setattr("fusionlib.training.runs", lambda: found)
    return found


@pytest.mark.parametrize("key", ["abcd00000001", "abcd00000001"[:12], "9999aaaa0000"[:4]])
def test_a_run_by_its_key_or_the_start_of_it(runs, key):
    runs[4].channels = 1
    _, name = choose_model(key)
    assert name == next(run.key for run in runs if run.key.startswith(key))


def test_a_run_itself(runs):
    network, name = choose_model(runs[1])
    assert isinstance(network, Blend)
    assert name == "abcd00000002"


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("abcd", "fits 2 runs (abcd00000001, abcd00000002): give more digits"),
        ("1234", "Run 123400000000 was never finished, it is at step 6 of 9"),
        ("1234", "weights=store/123400000000/step-000006.safetensors"),
        ("5678", "it is at step 0 of 9: train it to its end."),
        ("9999", "9999aaaa0000 takes colour images"),
        ("123", "There is no model '123'"),
        ("ffff", "`fusionlib runs list`"),
        ("bsp-cnm", "There is no model 'bsp-cnm'"),
        ("w.safetensors", "a file is named by weights (--weights)"),
    ],
)
def test_runs_that_cannot_fuse_are_refused(runs, folders, key, part):
    with pytest.raises(FusionError) as caught:
        fuse_files("ir", "vi", "out", key, progress=False)
    assert part in str(caught.value)
    assert not Path("out").exists()


def test_a_run_of_the_store_fuses(folders, store):
    from fusionlib.experiments import bsp
    from fusionlib.training import open_run

    run = open_run(bsp.first_steps("smoke", "unpaired"))
    with pytest.raises(FusionError, match=f"Run {run.key} was never finished, it is at step 0 of"):
        fuse_files("ir", "vi", "out", run.key[:5], progress=False)
    run.save_weights(fusionlib.create_model("bsp-cnn"), run.spec.total_steps)
    done = fuse_files("ir", "vi", "out", run.key[:5], colour=False, progress=False)
    assert done.model == run.key
    pair = open_folders("ir", "vi")[0]
    expected = fuse(run.model(), pair.ir[None], pair.vi[None])
    assert torch.equal(images.read_grey("out/1.png"), expected[0])
    # The same network by way of its file is the same thing.
    weights = run.weights_file(run.spec.total_steps)
    done = fuse_files("ir", "vi", "out", weights=weights, colour=False, progress=False)
    assert len(done.skipped) == 3


def test_weights_of_a_file_that_is_none_are_refused(folders):
    Path("w.safetensors").write_text("no weights")
    with pytest.raises(FusionError, match=r"w\.safetensors"):
        fuse_files("ir", "vi", "out", weights="w.safetensors", progress=False)
    assert not Path("out").exists()


def test_without_a_model_the_packages_own_cnn_fuses(folders):
    from fusionlib.models import load_trained

    done = fuse_files("ir", "vi", "out", colour=False, progress=False)
    assert done.model == "bsp-cnn"
    pair = open_folders("ir", "vi")[0]
    expected = fuse(load_trained("bsp-cnn"), pair.ir[None], pair.vi[None])
    assert torch.equal(images.read_grey("out/1.png"), expected[0])


def test_fingerprints_tell_weights_and_layers_apart():
    same, other = fingerprint(Blend()), fingerprint(Blend(0.5))
    assert len(same) == 16
    assert fingerprint(Blend()) == same
    assert other != same
    assert fingerprint(nn.Sequential(nn.LeakyReLU(0.1))) != fingerprint(
        nn.Sequential(nn.LeakyReLU(0.2))
    )
    assert fingerprint(Blend().to(memory_format=torch.channels_last)) == same
    halves = [Blend().bfloat16(), Blend().half(), Blend(0.5).half()]
    for half in halves[:2]:
        half.load_state_dict({name: 0 * value for name, value in half.state_dict().items()})
    assert len({same, *map(fingerprint, halves)}) == 4  # also of equal bytes
    assert fingerprint(nn.Conv2d(1, 1, 1)) != fingerprint(nn.Conv2d(1, 1, 1))
