"""Many trainings at once: each trained once, failures told, nothing lost."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fusionlib.data import open_images, open_pairs
from fusionlib.data.base import PatchSource, patch_source
from fusionlib.errors import FusionError
from fusionlib.models import create_model
from fusionlib.models.cost import cost as model_cost
from fusionlib.training import Cost, open_run, planning, probe, submit, submitting
from fusionlib.training.store import Run
from tests.training.small import go, tiny

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "store"


def quietly(specs, **values):
    return submit(specs, **{"workers": 2, "threads": 1, "device": "cpu", "quiet": True, **values})


def broken(**values):
    """A spec whose images are not those that it names: its training fails."""
    other = PatchSource("ir", "scenes", "train", ("0001N",), "0" * 16, 32, 32, size=(64, 96))
    return tiny(**values, ir=other)


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_all_but_a_broken_one_are_trained_as_if_alone(engine, tmp_path, monkeypatch):
    specs = [tiny(steps=3), tiny(steps=3, seed=1), tiny(steps=3, model="bsp-gan")]
    bad = broken(steps=2)
    finished = go(specs[1])
    before = finished.weights_file(3).stat().st_mtime_ns
    with pytest.raises(FusionError) as caught:
        quietly([bad, *specs, specs[0]], engine=engine)
    text = str(caught.value)
    assert text.startswith("1 of 3 trainings failed")
    assert f"{bad.key}: The images of scenes train (ir) are not those" in text
    [again] = [line.partition("again: ")[2] for line in text.splitlines() if "again: " in line]
    done = subprocess.run(again, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "are not those that the spec was made from" in done.stderr

    runs = quietly([*specs, specs[0]], engine=engine)  # all are there
    assert [run.key for run in runs] == [spec.key for spec in [*specs, specs[0]]]
    assert finished.weights_file(3).stat().st_mtime_ns == before
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "alone"))
    for run, spec in zip(runs[:3], specs, strict=True):
        alone = go(spec)
        assert run.folder != alone.folder
        assert run.weights_file(3).read_bytes() == alone.weights_file(3).read_bytes()


def test_images_of_ones_own_are_trained_wherever_they_lie(tmp_path):
    scenes = open_pairs("scenes", "train", names=["0001N"], size=(64, 96))

    def spec(folder, **values):
        sources = {s: patch_source(open_images(folder / s), s, 32, 32) for s in ("ir", "vi")}
        return tiny(**sources, **values)

    scenes.write(tmp_path / "here")
    one, other = spec(tmp_path / "here"), spec(tmp_path / "here", seed=1)
    assert one.key != tiny().key  # the same pixels, but images of a dataset
    alone = quietly([one])[0].weights_file(4).read_bytes()
    assert alone == go(tiny()).weights_file(4).read_bytes()
    open_run(other)  # begun, and then the images move
    (tmp_path / "here").rename(tmp_path / "there")
    with pytest.raises(FusionError, match="There is no folder"):
        quietly([other])
    (run,) = quietly([spec(tmp_path / "there", seed=1)])
    assert run.finished
    assert run.key == other.key
    assert open_run(spec(tmp_path / "there")).finished  # nothing to train


def test_a_killed_process_is_told_and_goes_on_at_the_next_call():
    spec = tiny(steps=4000)
    caught = []

    def work():
        try:
            quietly([spec])
        except FusionError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    run = open_run(spec)
    while not (run.at and run.state_file.exists()):
        time.sleep(0.1)
    assert run.at < 4000
    mine = f"training {run.folder}"
    found = subprocess.run(["pgrep", "-f", mine], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    thread.join()
    assert "was killed (SIGKILL, as a system without free memory does)" in caught[0]
    assert not run.finished
    assert run.state_file.exists()


def test_a_stack_is_trained_by_one_process():
    specs = [tiny(steps=3, seed=seed) for seed in range(3)]
    runs = quietly([*specs, tiny(steps=3, model="bsp-transformer")], stack=2)
    assert all(run.finished for run in runs)
    assert [run.provenance["stacked"] for run in runs] == [2, 2, 1, 1]
    again = quietly(specs, stack=3)  # nothing is left to train
    assert [run.key for run in again] == [run.key for run in runs[:3]]


def test_interrupted_it_ends_its_processes():
    code = (
        "from tests.training.small import tiny\n"
        "from fusionlib.training import submit\n"
        "submit([tiny(steps=4000, seed=9)], workers=1, threads=1, device='cpu')"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    run = open_run(tiny(steps=4000, seed=9))
    while not run.at:
        time.sleep(0.1)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(60) != 0
    at = run.at
    time.sleep(2.5)
    assert run.at == at
    assert not run.finished


# --- how many at once -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "jobs", "cores", "room"),
    [(100, 8, 4, 4), (100, 3, 4, 3), (25, 8, 4, 2), (1, 8, 4, 1), (100, 8, 1, 1)],
)
def test_processes_fit_cores_and_memory(monkeypatch, free, jobs, cores, room):
    cost = Cost(1.0, 1.0, 0, 10, "cpu", 1, 1)
    monkeypatch.setattr(submitting, "probe", lambda *_: cost)
    monkeypatch.setattr(submitting.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(
        submitting.psutil, "virtual_memory", lambda: type("Memory", (), {"available": free})
    )
    assert submitting.room([tiny()], jobs, None, None, 1, "cpu") == (room, 1, ["cpu"])


def test_a_plan_counts_what_is_left_and_probes_each_kind_once(monkeypatch):
    finished, begun, other = tiny(), tiny(steps=10), tiny(steps=20, precision="bfloat16")
    go(finished)
    open_run(begun).note_step(4)
    probed = []

    def seconds(spec, steps, *_):
        probed.append((spec.precision, steps))
        return Cost(3.0 if spec.precision == "bfloat16" else 2.0, 1.0, 0, 10, "cpu", 1, 1)

    monkeypatch.setattr(planning, "probe", seconds)
    found = planning.plan([finished, begun, begun, other], workers=2, device="cpu", steps=7)
    assert (found.runs, found.steps, found.workers) == (2, 6 + 20, 2)
    # Each kind is timed by as many processes as will train at once.
    assert sorted(probed) == [("bfloat16", 7)] * 2 + [("float32", 7)] * 2
    assert found.hours == pytest.approx((6 * 2.0 + 20 * 3.0) / 2 / 3600)
    text = "about 0.6 minutes: 2 trainings, 26 steps to take, 2 at once on cpu; bsp-cnn float32"
    assert str(found).startswith(text)
    assert str(planning.plan([finished])) == "all trained before"


def test_a_plan_is_measured():
    found = planning.plan([tiny(steps=40)], workers=1, device="cpu", steps=2)
    (seconds,) = found.seconds.values()
    assert 0 < seconds < 10
    assert found.hours == pytest.approx(40 * seconds / 3600)


def test_a_probe_measures_and_keeps_nothing(store):
    spec = tiny(steps=50)
    cost = probe(spec, 3, device="cpu", threads=1)
    assert 0 < cost.core_seconds < 60
    assert 0 < cost.seconds < 60
    # 3 patches of 32 x 32: thrice the forward pass, less the first layer's gradient of its input.
    forward = model_cost(create_model("bsp-cnn"), 32, 32).macs * 2 * 3
    assert cost.flop == pytest.approx(3 * forward, rel=0.1)
    assert 50e6 < cost.peak_bytes < 10e9
    assert (cost.device, cost.threads, cost.stacked) == ("cpu", 1, 1)
    assert probe([spec, tiny(seed=1)], 1, device="cpu", threads=1).stacked == 2
    assert not store.exists()


def test_a_probe_that_fails_says_why():
    with pytest.raises(FusionError, match="The probe failed: The images of scenes"):
        probe(broken(), 1, device="cpu")


def test_one_bar_follows_all(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(
        submitting, "progress", lambda **options: Bar(shown, options.pop("total"), **options)
    )
    quietly([tiny(steps=3), tiny(steps=3, seed=1)], quiet=False)
    assert shown[0] == (6, "train 2 runs")
    assert sum(n for n, _ in shown[1:]) == 6
    assert shown[-1][1] == {"finished": 2}


class Bar:
    def __init__(self, shown, total, description, quiet):
        self.shown, self.n = shown, 0
        shown.append((total, description))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, n, **fields):
        self.n += n
        self.shown.append((n, fields))


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"engine": "slurm"}, "engine is processes or ray, not 'slurm'"),
        ({"workers": 0}, "workers is 1 or more, not 0"),
        ({"threads": 1.5}, "threads is 1 or more, not 1.5"),
        ({"stack": 0}, "stack is 1 or more"),
    ],
)
def test_bad_arguments_are_refused(values, part, monkeypatch):
    monkeypatch.setattr(Run, "note_step", None)
    with pytest.raises(FusionError, match=part):
        quietly([tiny()], **values)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FusionError, match=r"pip install 'fusionlib\[ray\]'"):
        quietly([tiny()], engine="ray")
