"""The command `fusionlib fuse`: what it prints, and its exit codes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fusionlib import images
from fusionlib.cli import main
from tests.fusing_toys import Blend, at, folders, full_disk, names, save_deep, save_pair, store

__all__ = ["at", "folders", "store"]  # fixtures


@pytest.fixture
def model(monkeypatch):
    """The network that every name stands for, cheaper than the package's own."""
    blend = Blend()
    blend.asked = []

    def choose(name="bsp-cnn", weights=None):
        blend.asked.append((name, weights))
        return blend, name if weights is None else str(weights)

    monkeypatch.setattr("fusionlib.fusing.choose_model", choose)
    return blend


@pytest.fixture(autouse=True)
def handler():
    """The command's handler of SIGTERM ends with the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_folders_are_fused_and_that_is_said_in_one_line(folders, model, capsys):
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("3 fused; bsp-cnn, plain, ")
    assert said.out.endswith(" s\n")
    assert said.out.count("\n") == 1
    assert said.err == ""
    assert names("out") == ["1.png", "2.png", "3.png"]
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("0 fused, 3 were there; ")


def test_two_files_are_fused(folders, model, capsys):
    assert main(["fuse", "ir/1.png", "vi/1.png", "-o", "new/one.tif"]) == 0
    assert images.shape_of("new/one.tif") == (3, 20, 24)


def test_failures_are_told_at_the_end_one_line_each(folders, model, capsys):
    images.write("vi/2.png", torch.rand(3, 20, 25))
    images.write("ir/4.png", torch.rand(1, 20, 25))
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("2 fused, 2 failed; ")
    lines = said.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("fusionlib: failed: 2: The images of a pair must have one size")
    assert lines[1].startswith("fusionlib: failed: 4: ir/4.png has no partner in vi")


def test_notes_are_told(at, model, capsys, monkeypatch):
    for folder in ("ir", "vi"):
        save_deep(f"{folder}/a.png", torch.full((5, 5), 1000).numpy())
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 0
    assert "--bits 10" in capsys.readouterr().err
    assert main(["fuse", "ir", "vi", "-o", "out", "--bits", "10,12", "--overwrite"]) == 0
    expected = (0.6 * 1000 / 1023 + 0.4 * 1000 / 4095) * 255
    assert images.read_grey("out/a.png").mul(255).mean() == pytest.approx(expected, abs=0.51)


def test_every_option_arrives(monkeypatch):
    given = {}

    def fuse_files(**options):
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("fusionlib.fusing.fuse_files", fuse_files)
    assert main(["fuse", "a", "b", "-o", "c"]) == 130
    assert given == {
        "ir": "a",
        "vi": "b",
        "output": "c",
        "protocol": "plain",
        "bits": (16, 16),
        "precision": "float32",
        "overwrite": False,
    }
    argv = "fuse a b --output c --model 1234 --protocol released --tile 256 --colour --bits 14"
    argv += " --precision bfloat16 --device cpu --batch 3 --overwrite"
    main(argv.split())
    assert given == {
        "ir": "a",
        "vi": "b",
        "output": "c",
        "model": "1234",
        "protocol": "released",
        "tile": 256,
        "colour": True,
        "bits": (14, 14),
        "precision": "bfloat16",
        "device": "cpu",
        "batch": 3,
        "overwrite": True,
    }
    given.clear()
    main(["fuse", "a", "b", "-o", "c", "--weights", "w", "--grey"])
    assert given["weights"] == "w"
    assert given["colour"] is False
    assert "model" not in given


def test_a_weights_file_is_chosen(folders, model, capsys):
    assert main(["fuse", "ir", "vi", "-o", "out", "--weights", "w.model"]) == 0
    assert model.asked == [("bsp-cnn", "w.model")]
    assert "; w.model, plain, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["ir", "vi", "-o", "ir/fused"], "lies in the folder of sources ir"),
        (["ir", "nowhere", "-o", "out"], "no file or folder nowhere"),
        (["ir", "vi/1.png", "-o", "out"], "vi/1.png is a file"),
        (["ir", "vi", "-o", "ir/1.png"], "is a file: name a folder"),
        (["ir", "vi", "-o", "out", "--protocol", "none"], "no protocol 'none'"),
        (["ir", "vi", "-o", "out", "--protocol", "released", "--tile", "64"], "leave one"),
        (["ir", "vi", "-o", "out", "--tile", "0"], "0"),
        (["ir", "vi", "-o", "out", "--bits", "20"], "8 to 16"),
        (["ir", "vi", "-o", "out", "--batch", "0"], "batch must be 1 or more"),
        (["ir", "vi", "-o", "out", "--precision", "int8"], "precision must be"),
        (["ir", "vi", "-o", "out", "--device", "abacus"], "'abacus' cannot be used"),
    ],
)
def test_bad_input_is_one_sentence(folders, model, capsys, argv, part):
    assert main(["fuse", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fusionlib: ")
    assert said.err.count("\n") == 1
    assert part in said.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--model", "nothing"], "There is no model 'nothing'"),
        (["--model", "abcd1234"], "`fusionlib runs list`"),
        (["--weights", "none.model"], "none.model"),
        (["--weights", "ir/1.png"], "ir/1.png"),
    ],
)
def test_wrong_models_are_one_sentence(folders, capsys, argv, part):
    assert main(["fuse", "ir", "vi", "-o", "out", *argv]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("fusionlib: ")
    assert said.err.count("\n") == 1
    assert part in said.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["ir", "vi"],
        ["ir", "-o", "out"],
        ["ir", "vi", "-o", "out", "--model", "a", "--weights", "b"],
        ["ir", "vi", "-o", "out", "--colour", "--grey"],
        ["ir", "vi", "-o", "out", "--tile", "much"],
        ["ir", "vi", "-o", "out", "--bits", "12,x"],
    ],
)
def test_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fuse", *argv])
    assert stop.value.code == 2
    assert "usage: fusionlib fuse" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(folders, model, monkeypatch, capsys):
    monkeypatch.setattr(os, "replace", full_disk)
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fusionlib: out/1.png cannot be written (No space left on device)")
    assert said.err.count("\n") == 1
    assert names("out") == []


def test_an_interruption_says_how_to_go_on(folders, model, capsys):
    def interrupt():
        if len(model.shapes) == 2:
            raise KeyboardInterrupt

    model.on_call = interrupt
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 130
    said = capsys.readouterr().err
    assert "interrupted; what was fused stays in out, run the same command again" in said
    assert names("out") == ["1.png"]
    assert main(["fuse", "ir", "vi", "-o", "out"]) == 0
    assert capsys.readouterr().out.startswith("2 fused, 1 were there; ")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_whole_files_alone(at, kind):
    for number in range(4):
        save_pair(str(number))
    code = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "import fusionlib.fusing\n"
        "from tests.fusing_toys import Blend\n"
        "model = Blend()\n"
        "model.on_call = lambda: len(model.shapes) == 3 and time.sleep(60)\n"
        "fusionlib.fusing.choose_model = lambda *_: (model, 'blend')\n"
        "from fusionlib.cli import main\n"
        "sys.exit(main(['fuse', 'ir', 'vi', '-o', 'out']))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("out/1.png").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(kind)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "interrupted" in err
    assert names("out") == ["0.png", "1.png"]


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from fusionlib.cli import main\n"
        "try: main(['fuse', '--help'])\n"
        "finally: print(sorted({'torch', 'pandas', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--weights FILE" in done.stdout
    assert done.stdout.endswith("[]\n")
