"""The command line apart from `reproduce`, which tests/runner covers."""

import subprocess
import sys

import pytest

from fusionlib import cli
from fusionlib.cli import main


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("FUSIONLIB_DATA", raising=False)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fusionlib.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'torch', 'pandas', 'numpy', 'papermill'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "reproduce" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("argv", [[], ["fly"], ["reproduce", "--colour"], ["data"]])
def test_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_runs_list", interrupt)
    assert main(["runs", "list"]) == 130
    assert "run the same command to go on" in capsys.readouterr().err


def test_data_list_works_without_a_root(no_data, capsys):
    assert main(["data", "list"]) == 0
    assert "scenes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["data", "list", "--data", "no/where"], "no/where"),
        (["data", "check", "MSRS", "--data", "no/where"], "no/where"),
        (["data", "get", "MSRX"], "MSRX"),
        (["evaluate", "fused"], "--ir and --vi"),
        (["evaluate", "fused", "--ir", "a", "--dataset", "scenes"], "--ir and --vi"),
        (["evaluate", "fused", "--ir", "a", "--vi", "b"], "a"),
        (["evaluate", "fused", "--dataset", "scenes", "-o", "no/where/t.csv"], "where"),
        (["published", "bsp", "99"], "99"),
    ],
)
def test_bad_input_is_one_sentence(no_data, capsys, argv, part):
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("fusionlib: ")
    assert part in error


def test_data_get_tells_where(no_data, capsys):
    assert main(["data", "get", "LLVIP"]) == 0
    assert "non-commercial" in capsys.readouterr().out


def test_published_table_is_printed(capsys):
    assert main(["published", "bsp", "1"]) == 0
    printed = capsys.readouterr().out
    assert "SPTP" in printed
    assert "MSRS" in printed


def test_lab_opens_jupyterlab_on_the_notebooks(monkeypatch):
    started = []

    def run(command, cwd):
        started.append((command, cwd.name))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert main(["lab", "--", "--no-browser"]) == 3
    assert started == [([sys.executable, "-m", "jupyterlab", "--no-browser"], "notebooks")]


def test_runs_list_names_each_run(tmp_path, monkeypatch, capsys):
    from fusionlib.experiments import bsp
    from fusionlib.training import open_run

    monkeypatch.setenv("FUSIONLIB_STORE", str(tmp_path))
    run = open_run(bsp.first_steps("smoke", "unpaired"))
    assert main(["runs", "list"]) == 0
    line, total = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{run.key}  bsp-cnn  unpaired")
    assert line.endswith("at step 0")
    assert total.startswith("1 runs")
