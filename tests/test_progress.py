import io
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from fusionlib import progress as module
from fusionlib.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Time that only the test moves."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    import tqdm.std

    clock = Clock()
    monkeypatch.setattr(tqdm.std, "time", clock)
    monkeypatch.setattr(module._Bar, "monitor_interval", 0)
    return clock


def run(clock, monkeypatch, file, seconds, steps, **fields):
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with progress(total=steps, description="train") as bar:
        for _ in range(steps):
            clock.now += seconds / steps
            bar.update(1, **fields)
    return file.getvalue()


def test_a_log_gets_plain_lines_with_fields_every_five_seconds(clock, monkeypatch):
    text = run(clock, monkeypatch, io.StringIO(), 25.0, 200, loss=0.25)
    lines = text.splitlines()
    assert "\r" not in text
    assert 5 <= len(lines) <= 7
    assert re.fullmatch(r"train: 8/200 \[00:01<00:24,  8.00it/s, loss=0.25\]", lines[0])
    assert lines[-1].startswith("train: 200/200 [00:25<")
    assert "200/200" not in lines[-2]


def test_a_terminal_gets_one_line_redrawn(clock, monkeypatch):
    text = run(clock, monkeypatch, Terminal(), 20.0, 200, loss=0.25)
    assert text.count("\n") == 1
    assert text.count("\r") > 20
    assert "200/200" in text.split("\r")[-1]
    assert "loss=0.25" in text


@pytest.mark.parametrize("file", [Terminal, io.StringIO])
def test_what_ends_within_a_second_shows_nothing(clock, monkeypatch, file):
    assert run(clock, monkeypatch, file(), 0.9, 200) == ""


def test_an_iterable_passes_through(clock, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    seen = []
    for item in progress("abcdef", "letters"):
        clock.now += 2
        seen.append(item)
    assert "".join(seen) == "abcdef"
    assert file.getvalue().splitlines()[-1].startswith("letters: 6/6 ")


@pytest.mark.parametrize("file", [Terminal, io.StringIO])
def test_quiet_shows_nothing(clock, monkeypatch, file):
    file = file()
    monkeypatch.setattr(sys, "stderr", file)
    with progress(total=3, quiet=True) as bar:
        clock.now += 60
        bar.update(2, loss=1)
    assert list(progress([1, 2], quiet=True)) == [1, 2]
    assert file.getvalue() == ""


CELL = """
import time
from fusionlib import progress as module
module.SECONDS_BEFORE_FIRST = 0.05
with module.progress(total=2, description="train") as bar:
    time.sleep(0.1)
    bar.update(2, loss=0.5)
"""


@pytest.mark.parametrize("live", [True, False])
def test_a_widget_in_a_live_notebook_and_lines_under_papermill(monkeypatch, live):
    """In a real kernel: Jupyter's server sets the variable, papermill does not."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(module.__file__).parents[1]))
    if live:
        monkeypatch.setenv("JPY_SESSION_NAME", "start_here.ipynb")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3", timeout=120, startup_timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    if live:
        assert "application/vnd.jupyter.widget-view+json" in output["data"]
    else:
        assert output["name"] == "stderr"
        assert re.fullmatch(r"train: 2/2 \[\d\d:\d\d<00:00, .*loss=0.5\]\n", output["text"])
