import papermill
import pytest

from fusionlib.runner import execute


@pytest.fixture
def job(collection, make, tmp_path):
    collection({"a": make()})
    notebook = str(tmp_path / "notebooks" / "a.ipynb")
    return {"notebook": notebook, "output": "out.ipynb", "parameters": {}}


@pytest.mark.parametrize("failures", [1, 2])
def test_kernel_that_does_not_start_is_tried_once_more(job, monkeypatch, tmp_path, failures):
    calls = []

    def start(*_, **options):
        calls.append(options)
        if len(calls) <= failures:
            raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", start)
    if failures == 2:
        with pytest.raises(RuntimeError, match="died"):
            execute._run(job, tmp_path)
    else:
        execute._run(job, tmp_path)
    assert len(calls) == 2


def test_notebook_that_breaks_in_a_cell_is_not_run_twice(job, monkeypatch, tmp_path, make):
    calls = []

    def breaks(*_, on_cell_start, **options):
        calls.append(options)
        on_cell_start(make().cells[3], 3)
        raise RuntimeError("dead")

    monkeypatch.setattr(papermill, "execute_notebook", breaks)
    with pytest.raises(RuntimeError, match="dead"):
        execute._run(job, tmp_path)
    assert len(calls) == 1


def test_cells_are_named_by_comment_or_heading(capsys, make):
    cells = execute._Cells(3)
    for i, cell in enumerate(make("# Score\nx = 1", "x = 2", "").cells):
        cells(cell, i)
    events = [line.split("\t") for line in capsys.readouterr().out.strip("\n").split("\n")]
    assert events == [
        [f"{execute.EVENT}cell", "1", "3", "Measure a number"],
        [f"{execute.EVENT}cell", "2", "3", "Score"],
        [f"{execute.EVENT}cell", "3", "3", "Compute"],
    ]


def test_log_keeps_lines_whole_and_bars_short(capsys):
    log = execute._Log()
    for text in ("one", " line\ntwo\n", "\r1/9", "\r2/9", "\r3/9", "\r9/9\n", "end\n"):
        log.write(text)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["one line", "two"]
    assert lines[-2:] == ["9/9", "end"]
    assert "3/9" not in lines
