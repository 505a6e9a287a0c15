"""Batches, failures, breaks, the disk and the memory while files are fused."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fusionlib import fusing_model, images
from fusionlib.errors import FusionError
from fusionlib.fusing import fuse_files
from fusionlib.fusing_work import Stopped
from tests.fusing_toys import (
    Blend,
    at,
    folders,
    full_disk,
    levels,
    names,
    run,
    save_pair,
    store,
)

__all__ = ["at", "folders", "store"]  # fixtures


# --- batches ----------------------------------------------------------------------------


def test_batches_of_mixed_sizes_equal_one_by_one(at):
    sizes = [(20, 24), (20, 24), (20, 24), (24, 20), (24, 20), (20, 24), (1, 1)]
    for number, size in enumerate(sizes):
        save_pair(str(number), size, colour=number != 1)
    run("single")
    model = Blend()
    done = run("batched", model=model, batch=2)
    assert len(done.written) == 7
    counts = [(shape[0], shape[-2:]) for shape in model.shapes]
    small, turned = (20, 24), (24, 20)
    assert counts == [(2, small), (1, small), (2, turned), (1, small), (1, (1, 1))]
    for number in range(len(sizes)):
        one, other = (
            levels(f"{folder}/{number}.png").astype(int) for folder in ("single", "batched")
        )
        assert np.abs(one - other).max() <= 1


def test_a_spoilt_image_of_a_batch_fails_alone(folders):
    class Divide(Blend):
        def forward(self, ir, vi):
            return super().forward(ir, vi) / (ir.amax((1, 2, 3), keepdim=True) > 0)

    images.write("ir/2.png", torch.zeros(1, 20, 24))
    images.write("vi/2.png", torch.zeros(1, 20, 24))
    done = run(model=Divide(), batch=3)
    assert list(done.failed) == ["2"]
    assert "NaN" in done.failed["2"]
    assert names("out") == ["1.png", "3.png"]


def test_the_next_pair_is_read_while_one_is_fused(folders, monkeypatch):
    read, met = [], threading.Event()
    read_levels = images.read_levels

    def noted(path):
        read.append(str(path))
        if path == Path("vi/2.png"):
            met.set()
        return read_levels(path)

    monkeypatch.setattr(images, "read_levels", noted)
    model = Blend()
    model.on_call = lambda: met.wait(20) or pytest.fail("the second pair was not read ahead")
    assert len(run(model=model).written) == 3
    assert len(read) == 6  # each file once


# --- pairs that fail --------------------------------------------------------------------


def test_pairs_that_fail_are_told_and_the_others_go_on(folders):
    save_pair("4")
    save_pair("5")
    images.write("vi/4.png", torch.rand(3, 20, 25))
    Path("ir/5.png").write_bytes(Path("ir/5.png").read_bytes()[:200])
    images.write("ir/6.png", torch.rand(1, 20, 24))
    images.write("vi/7.png", torch.rand(3, 20, 24))
    save_pair("8")
    images.write("vi/8.bmp", torch.rand(3, 20, 24))
    save_pair("9")
    Path("ir/9.png").write_text("no image")
    Path("ir/notes.txt").write_text("passed over")
    Path("ir/.hidden.png").write_text("passed over")
    done = run()
    assert names("out") == ["1.png", "2.png", "3.png"]
    parts = {
        "4": "ir/4.png is 24x20 and vi/4.png is 25x20",
        "5": "ir/5.png cannot be read",
        "6": "ir/6.png has no partner in vi: add 6.* there",
        "7": "vi/7.png has no partner in ir",
        "8": "vi holds 8.bmp and 8.png: remove all but one",
        "9": "ir/9.png cannot be read as an image",
    }
    assert list(done.failed) == list(parts)
    for name, part in parts.items():
        assert part in done.failed[name]
    assert str(done).startswith("3 fused, 6 failed; ")
    assert repr(done).splitlines()[1] == f"failed: 4: {done.failed['4']}"


def test_a_network_that_changes_the_size_fails(folders):
    class Halve(nn.Module):
        def forward(self, ir, vi):
            return ir[..., ::2]

    done = run(model=Halve())
    assert "(1, 1, 20, 12) of sources (1, 1, 20, 24)" in done.failed["1"]
    assert names("out") == []


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
def test_too_little_memory_is_told(folders, kind):
    def allocate():
        raise kind("can't allocate memory: you tried to allocate 9 bytes")

    model = Blend()
    model.on_call = allocate
    assert "--tile" in run(model=model).failed["1"]


def test_another_error_of_the_network_is_not_hidden(folders):
    def break_down():
        raise RuntimeError("shapes don't fit")

    model = Blend()
    model.on_call = break_down
    with pytest.raises(RuntimeError, match="shapes"):
        run(model=model)


# --- going on where it was --------------------------------------------------------------


def times():
    return {path.name: path.stat().st_mtime_ns for path in Path("out").iterdir()}


def test_what_is_there_is_skipped(folders):
    run()
    before = times()
    model = Blend()
    again = run(model=model)
    assert again.written == ()
    assert again.skipped == tuple(Path(f"out/{name}.png") for name in "123")
    assert model.shapes == []
    assert times() == before
    assert str(again).startswith("0 fused, 3 were there; ")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_a_break_only_the_rest_is_fused(folders, error):
    def break_down():
        if len(model.shapes) == 3:
            raise error("stop")

    model = Blend()
    model.on_call = break_down
    with pytest.raises(error):
        run(model=model)
    assert names("out") == ["1.png", "2.png"]
    before = times()
    done = run()
    assert done.written == (Path("out/3.png"),)
    assert len(done.skipped) == 2
    assert before.items() <= times().items()


def test_after_a_kill_only_the_rest_is_fused(folders):
    code = (
        f"import os, signal, sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from tests.fusing_toys import Blend, run\n"
        "model = Blend()\n"
        "model.on_call = lambda: len(model.shapes) == 3 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "run(model=model)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert killed.returncode == -9, killed.stderr
    there = [name for name in names("out") if not name.startswith(".")]
    assert "1.png" in there
    assert "3.png" not in there
    for name in there:
        assert levels(f"out/{name}").shape == (20, 24, 3)
    done = run()
    assert [path.name for path in done.skipped] == there
    assert len(done.written) == 3 - len(there)


@pytest.mark.parametrize(
    "options",
    [
        {"model": Blend(0.5)},
        {"protocol": "whole+stretch"},
        {"colour": False},
        {"precision": "bfloat16"},
        {"bits": 14},
        {"tile": 64},
    ],
    ids=lambda options: next(iter(options)),
)
def test_files_that_were_made_otherwise_are_never_replaced_silently(folders, options):
    run()
    before = {name: Path(f"out/{name}").read_bytes() for name in names("out")}
    done = run(**options)
    assert list(done.failed) == ["1", "2", "3"]
    assert "out/1.png is there already" in done.failed["1"]
    assert "--overwrite" in done.failed["1"]
    assert before == {name: Path(f"out/{name}").read_bytes() for name in names("out")}
    assert len(run(overwrite=True, **options).written) == 3
    assert len(run(**options).skipped) == 3


@pytest.mark.parametrize("source", ["ir/2.png", "vi/2.png"])
def test_a_changed_source_is_noticed(folders, source):
    run()
    images.write(source, torch.rand(images.shape_of(source)))
    done = run()
    assert list(done.failed) == ["2"]
    done = run(overwrite=True)
    assert done.written == (Path("out/2.png"),)
    assert len(done.skipped) == 2  # these are what would be made


@pytest.mark.parametrize(
    "there", ["foreign", "other note", "no json", "list", "folder", "dangling link", "half"]
)
def test_whatever_else_has_the_name_stays(folders, there):
    run()
    path = Path("out/2.png")
    note = images.note_of(path)
    whole = path.read_bytes()
    path.unlink()
    image = torch.zeros(3, 20, 24)
    if there == "foreign":
        images.write(path, image)
    elif there == "other note":
        images.write(path, image, json.dumps({**json.loads(note), "version": 0}))
    elif there in ("no json", "list"):
        images.write(path, image, "words" if there == "no json" else "[1]")
    elif there == "folder":
        path.mkdir()
    elif there == "half":
        path.write_bytes(whole[:20])
    else:
        path.symlink_to("nowhere.png")
    done = run()
    assert list(done.failed) == ["2"]
    assert "--overwrite" in done.failed["2"]
    done = run(overwrite=True)
    if there == "folder":
        assert "out/2.png cannot be written" in done.failed["2"]
    else:
        assert done.written == (path,)
        assert not path.is_symlink()


def test_the_same_weights_by_another_name_are_the_same_thing(folders, monkeypatch):
    run()
    monkeypatch.setattr(fusing_model, "load_weights", lambda file: Blend())
    done = fuse_files("ir", "vi", "out", weights="mine.safetensors", progress=False)
    assert done.model == "mine.safetensors"
    assert len(done.skipped) == 3


# --- trouble with the disk --------------------------------------------------------------


def test_a_full_disk_stops_the_work(folders, monkeypatch):
    replace = os.replace

    def one_fits(source, target):
        if Path(target).name != "1.png":
            full_disk()
        replace(source, target)

    monkeypatch.setattr(os, "replace", one_fits)
    model = Blend()
    Path("ir/alone.png").write_bytes(Path("ir/1.png").read_bytes())
    with pytest.raises(
        Stopped, match=r"out/2\.png cannot be written \(No space left.*1 fused"
    ) as caught:
        run(model=model)
    assert caught.value.failed.keys() == {"alone"}
    assert names("out") == ["1.png"]
    monkeypatch.setattr(os, "replace", replace)
    done = run()
    assert (len(done.written), len(done.skipped)) == (2, 1)


def test_a_full_disk_at_the_last_pair_is_told(folders, monkeypatch):
    replace = os.replace
    monkeypatch.setattr(
        os,
        "replace",
        lambda source, target: (
            full_disk() if Path(target).name == "3.png" else replace(source, target)
        ),
    )
    with pytest.raises(Stopped, match=r"out/3\.png"):
        run()
    assert names("out") == ["1.png", "2.png"]


def test_a_name_that_is_too_long_fails_alone(folders):
    long = "x" * 250
    save_pair("ok")
    for folder in ("ir", "vi"):
        Path(f"{folder}/3.png").rename(f"{folder}/{long}.png")
    done = run()
    assert list(done.failed) == [long]
    assert "cannot be written (File name too long)" in done.failed[long]
    assert names("out") == ["1.png", "2.png", "ok.png"]


def test_a_folder_without_the_right_to_write_is_refused_before_work(folders, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    model = Blend()
    with pytest.raises(FusionError, match="out cannot take the fused images"):
        run(model=model)
    assert model.shapes == []


# --- memory -----------------------------------------------------------------------------

PEAK = """
import re, sys
from pathlib import Path
import numpy as np, torch
sys.path.insert(0, {root!r})
from fusionlib import fusing_work, images
from fusionlib.fusing import fuse_files
class First(torch.nn.Module):
    def forward(self, ir, vi):
        return ir
torch.set_num_threads(1)
fusing_work.WHOLE_PIXELS = 10**9
fusing_work.keep_freed_memory = lambda: None
grey, levels = torch.zeros(1, 1500, 2000), np.zeros((1500, 2000, 3), np.uint8)
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
{work}
print((peak() - before) / grey.numel())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
@pytest.mark.parametrize(
    ("work", "bound"),
    [
        # One pair is read, one fused and one written at a time: 56 bytes a pixel were measured.
        ('assert len(fuse_files("ir", "vi", "out", First(), progress=False).written) == 6', 90),
        # Recoloured at once and not in strips, it takes more than 40.
        ("images.recolour(grey, levels)", 30),
    ],
    ids=["whole way", "recolour"],
)
def test_the_memory_of_large_colour_pairs_is_bounded(at, work, bound):
    picture = np.zeros((1500, 2000, 3), np.uint8)
    picture[..., 1] = np.arange(2000) % 256
    for name in "123456":
        for folder in ("ir", "vi"):
            Path(folder).mkdir(exist_ok=True)
            Image.fromarray(picture).save(f"{folder}/{name}.bmp")
    code = PEAK.format(root=str(Path(__file__).parents[1]), work=work)
    # Each large array back to the system at once, so that the peak is what is in use.
    at_once = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=at_once
    )
    assert float(child.stdout) < bound
