"""`fusionlib doctor`: what is sound, and every broken thing as a line of its own."""

import os
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlib import doctor, precision
from fusionlib.cli import main

ROOTS = ("FUSIONLIB_DATA", "FUSIONLIB_WEIGHTS", "NO_COLOR")


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """No folder is named but a store that is not made yet."""
    for name in ROOTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "new" / "store"))


@pytest.fixture
def data(tmp_path):
    """A data folder with TNO, three pairs."""
    for index in range(3):
        for part in ("ir", "vi"):
            path = tmp_path / f"data/TNO/{part}/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 50), index, np.uint8)).save(path)
    return tmp_path / "data"


def found(check, *arguments):
    """The one finding of a check."""
    (finding,) = check(*arguments)
    return finding


def broken(finding, *parts):
    """Whether it is red, names these, and has one sentence of remedy."""
    told = finding.shown()
    assert all(part in told for part in parts), told
    return finding.mark == doctor.FAIL and finding.remedy and told.count("\n") == 1


def test_a_sound_machine(capsys, tmp_path, data):
    assert main(["doctor", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Nothing is broken."
    subjects = {line[6:].partition(":")[0] for line in lines[:-2]}
    assert {"Python", "packages", "torch", "memory", "store", "data", "fusionlib"} <= subjects
    assert {line[:6] for line in lines[:-2]} <= {"ok    ", "note  "}
    assert sum(f"torch: {torch.__version__}" in line for line in lines) == 1
    assert any("TNO test, 3 pairs, names and sizes" in line for line in lines)
    assert not (tmp_path / "new").exists()  # looking leaves nothing behind


def test_colours_only_for_a_terminal_that_wants_them(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda _: [doctor.Finding(doctor.FAIL, "x", "Do y.")])

    def shown():
        assert not doctor.doctor()
        return capsys.readouterr().out

    assert "\033" not in shown()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert shown().startswith("\033[1;31mFAIL\033[0m  x\n      Do y.\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown() == "FAIL  x\n      Do y.\n\nTo be mended: 1.\n"


# --- the environment ----------------------------------------------------------------------


def run(*options, **environment):
    return subprocess.run(
        [sys.executable, *options, "-m", "fusionlib.cli", "doctor"],
        cwd=doctor.CHECKOUT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(doctor.CHECKOUT), **environment},
    )


def test_torch_that_fails_on_import(tmp_path, data):
    fake = tmp_path / "fake" / "torch"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise OSError('libcudart.so.12: no such file')")
    paths = os.pathsep.join([str(doctor.CHECKOUT), str(fake.parent)])
    done = run(PYTHONPATH=paths, FUSIONLIB_DATA=str(data))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    red = [index for index, line in enumerate(lines) if line.startswith("FAIL")]
    assert len(red) == 1  # once, though data and weights need it as well
    assert "packages: torch" in lines[red[0]]
    assert "libcudart.so.12" in lines[red[0]]
    assert "pip install --force-reinstall" in lines[red[0] + 1]
    assert "note  data: can be looked at when the above is mended" in lines
    assert any(line.startswith("ok    memory") for line in lines)


def test_a_python_without_any_package():
    done = run("-S")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "FAIL  packages: ModuleNotFoundError: No module named 'packaging'" in done.stdout
    assert "Install fusionlib anew" in done.stdout
    assert done.stdout.endswith("To be mended: 1.\n")


def test_packages_that_are_missing_out_of_range_or_broken(monkeypatch):
    def fail(name):
        raise RuntimeError(f"{name} was built for another numpy\nand more lines")

    needed = ["no-such-package>=2", "numpy<1", "pandas>=2"]
    monkeypatch.setattr(doctor, "_required", lambda: needed)
    monkeypatch.setattr(doctor.importlib, "import_module", fail)
    missing, old, defect = doctor._packages()
    assert broken(missing, "no-such-package is not installed", "'no-such-package>=2'")
    assert broken(old, f"numpy {np.__version__} is not in the range <1")
    assert broken(defect, "pandas", "RuntimeError: pandas was built for another numpy")


def test_without_a_checkout_the_installed_package_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    names = {text.partition(">")[0] for text in doctor._required()}
    assert {"torch", "papermill"} <= names
    assert "ray" not in names  # an extra


def test_an_old_python(monkeypatch):
    project = tomllib.loads((doctor.CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    assert broken(found(doctor._python), "3.11 or newer")


def test_gpus(monkeypatch):
    gpu = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    _, first, second = doctor._torch()
    assert first == doctor.Finding(doctor.OK, "GPU 0: NVIDIA H100, 80.0 GiB")
    assert second.what.startswith("GPU 1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(doctor._torch())[1].mark == doctor.NOTE


def test_a_processor_without_bfloat16_is_named(monkeypatch):
    for known in (True, False):
        monkeypatch.setattr(precision, "knows_bfloat16", lambda device, known=known: known)
        found, _ = doctor._torch()
        assert ("slower in bfloat16" in found.what) is not known


def test_a_check_that_fails_unforeseen_is_a_line(monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr(doctor, "_packages", lambda: [])
    monkeypatch.setattr(doctor, "_memory", fail)
    monkeypatch.setattr(doctor, "_weights", fail)
    told = {finding.what.partition(":")[0]: finding for finding in doctor.examine()}
    assert broken(told["memory"], "ZeroDivisionError", "report it")
    assert told["weights"].mark == doctor.NOTE
    assert "fusionlib" in told


# --- folders ------------------------------------------------------------------------------


def test_a_store_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path / "file" / "store"))
    assert broken(found(doctor._store), "file/store can't be written", "Set FUSIONLIB_STORE")


def test_little_room_is_worth_a_note(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    finding = found(doctor._store)
    assert finding.mark == doctor.NOTE
    assert "1.0 GiB free" in finding.what


def test_a_data_folder_that_is_wrong(tmp_path, data):
    assert broken(found(doctor._data, tmp_path / "nowhere"), "nowhere", "MSRS")
    assert broken(found(doctor._data, data / "TNO"), "none of the datasets", "data get")


def test_files_without_partners(data):
    (data / "TNO/vi/1.png").unlink()
    (data / "TNO/vi/2.png").write_text("no image, which nobody opens")
    split, absent = doctor._data(data)
    assert broken(split, "TNO test, 2 pairs", "1 problem", "ir/1.png has no partner", "data check")
    assert "MSRS" in absent.what


def test_weights(monkeypatch, tmp_path):
    assert found(doctor._weights).mark == doctor.NOTE
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(tmp_path / "nowhere"))
    assert broken(found(doctor._weights), "nowhere", "unset FUSIONLIB_WEIGHTS")
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", str(tmp_path))
    (tmp_path / "cnn.model").write_bytes(b"my own")
    finding = found(doctor._weights)
    assert finding.mark == doctor.NOTE
    assert "bsp-cnn another file, bsp-transformer not there" in finding.what
