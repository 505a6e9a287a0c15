"""What the tests of fusing files share: a cheap network, pairs of files, fixtures."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fusionlib import images
from fusionlib.fusing import fuse_files


class Blend(nn.Module):
    """A network that is cheap: a 3x3 mean of both sources, and a weight."""

    def __init__(self, share=0.6, channels=1):
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 3, padding=1, padding_mode="replicate")
        weight = torch.full_like(self.mix.weight, (1 - share) / 9)
        weight[:, :channels] = share / 9
        self.load_state_dict({"mix.weight": weight, "mix.bias": torch.zeros(channels)})
        self.shapes = []
        self.on_call = lambda: None

    def forward(self, ir, vi):
        self.shapes.append(tuple(ir.shape))
        self.on_call()
        return self.mix(torch.cat((ir, vi), 1))


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    """A run store of the test's own."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("FUSIONLIB_STORE", str(folder))
    return folder


@pytest.fixture
def at(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def random(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def save_pair(name, size=(20, 24), colour=True, ir_suffix=".png", vi_suffix=".png"):
    seed = sum(name.encode())
    images.write(Path("ir") / f"{name}{ir_suffix}", random(seed, 1, *size))
    images.write(Path("vi") / f"{name}{vi_suffix}", random(seed + 1, 3 if colour else 1, *size))


@pytest.fixture
def folders(at):
    """Three colour pairs in ir and vi."""
    for name in "123":
        save_pair(name)
    return at


def run(output="out", model=None, ir="ir", vi="vi", **options):
    options = {"progress": False, **options}
    return fuse_files(ir, vi, output, model or Blend(), **options)


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def levels(path):
    return np.asarray(Image.open(path))


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def save_deep(path, values):
    Path(path).parent.mkdir(exist_ok=True)
    Image.fromarray(values.astype(np.uint16)).save(path)
