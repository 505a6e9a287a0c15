"""The runner. A kernel takes seconds to start, so one run serves several tests."""

import json

import nbformat
import pytest

from fusionlib.cli import main
from fusionlib.errors import FusionError
from fusionlib.runner import reproduce as module
from fusionlib.runner.reproduce import reproduce

IMPORTS = (
    "import json, os, sys, time\nfrom pathlib import Path\nfrom fusionlib.errors import FusionError"
)
GOOD = """state = dict(python=sys.executable, folder=os.listdir())
state["data"] = os.environ.get("FUSIONLIB_DATA")
parameters = dict(profile=profile, data=data, lr=lr)
(Path(results) / "record.json").write_text(json.dumps(dict(parameters=parameters, state=state)))"""
BARS = """for i in range(25):
    print(f"\\rstep {i}", end="", flush=True)
    time.sleep(0.1)
print("\\nafter the bar")"""


@pytest.fixture
def nothing_runs(monkeypatch):
    def refuse(*_):
        raise AssertionError("a notebook was started")

    monkeypatch.setattr(module, "_start", refuse)


def test_good_silent_stale_and_raising_notebooks(collection, make, tmp_path, capsys):
    root = collection(
        {
            "good {braces}": make(IMPORTS, BARS, GOOD, results=["record.json"]),
            "paper/raises": make(
                IMPORTS, "# Break it\nraise FusionError('x.png is missing: add it.')"
            ),
            "paper/silent": make("print('nothing')", results=["table.csv", "old.csv"]),
        }
    )
    stale = root / "paper" / "silent" / "smoke" / "old.csv"
    stale.parent.mkdir(parents=True)
    stale.write_text("EN\n6.5\n")
    (tmp_path / "images").mkdir()
    code = main(["reproduce", "--data", str(tmp_path / "images"), "--set", "lr=0.5", "--jobs", "2"])
    printed = capsys.readouterr().out
    assert code == 1

    folder = root / "good {braces}" / "smoke"
    state = json.loads((folder / "record.json").read_text())["state"]
    assert state == {
        "python": module.sys.executable,
        "folder": [],
        "data": str(tmp_path / "images"),
    }
    executed = nbformat.read(folder / "notebook.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters == {
        "profile": "smoke",
        "data": str(tmp_path / "images"),
        "results": str(folder),
        "lr": 0.5,
    }
    log = (folder / "run.log").read_text()
    assert "after the bar" in log
    assert 1 <= log.count("step ") <= 5  # of 25 states

    summary = printed[printed.index("of 3 notebooks") :]
    assert "1 of 3 notebooks reproduced." in printed
    assert "FAILED good" not in printed
    assert "x.png is missing: add it." in summary
    assert "4/4 Break it" in summary
    assert "FusionError" not in summary
    options = f"--profile smoke --data {tmp_path / 'images'} --set lr=0.5"
    assert f"again: fusionlib reproduce paper/raises {options}\n" in summary
    assert "table.csv was not written" in summary
    assert "old.csv is from an earlier run" in summary

    # The page of all, and one of each notebook, the failed one with its traceback.
    assert printed.endswith(f"on one page: {root / 'index.html'}\n")
    assert (folder / "notebook.html").is_file()
    page = (root / "paper" / "raises" / "smoke" / "notebook.html").read_text("utf-8")
    assert "FusionError" in page
    assert "papermill-error-cell" not in page


def test_killed_notebook(collection, make):
    collection({"hungry": make("import os\nos.kill(os.getpid(), 9)")})
    (outcome,) = reproduce(["hungry"])
    assert outcome.problems == ("cell 3/3 Compute: killed, probably out of memory",)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--set", "rl=1"], ["rl", "paper/table1", "did you mean lr"]),
        (["--set", "lr=fast"], ["lr", "float", "'fast'"]),
        (["--set", "lr"], ["--set lr", "NAME=VALUE"]),
        (["--set", "profile=quick"], ["--profile"]),
        (["--profile", "quik"], ["quik", "did you mean quick"]),
        (["--profile", "quick"], ["FUSIONLIB_DATA"]),
        (["--data", "no/where"], ["no/where"]),
        (["--jobs", "0"], ["jobs", "0"]),
        (["tabel1"], ["tabel1", "did you mean table1"]),
    ],
)
def test_refused_before_anything_runs(collection, make, nothing_runs, capsys, options, parts):
    root = collection({"paper/table1": make()})
    assert main(["reproduce", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fusionlib: ")
    assert all(part in error for part in parts), error
    assert not root.exists()


def test_python_values_are_checked_too(collection, make, nothing_runs):
    collection({"table1": make()})
    with pytest.raises(FusionError, match="lr takes float"):
        reproduce(overrides={"lr": [1]})


def test_parameter_goes_to_the_notebooks_that_have_it(collection, make, monkeypatch):
    steps = make(parameters="steps: int = 3  # steps\n")
    collection({"a": make(), "b": steps})
    planned = []
    monkeypatch.setattr(module, "_run_all", lambda jobs, _: planned.extend(jobs))
    reproduce(overrides={"steps": "7"})
    assert [job.parameters.get("steps") for job in planned] == [None, 7]
    assert set(planned[1].parameters) == {"steps"}
    assert "steps" not in planned[0].rerun
    with pytest.raises(FusionError, match="stepz"):
        reproduce(overrides={"stepz": "7"})


def test_relative_roots_and_paths_reach_the_child_absolute(collection, make, monkeypatch, tmp_path):
    collection({"a": make()})
    planned = []
    monkeypatch.setattr(module, "_run_all", lambda jobs, _: planned.extend(jobs))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("FUSIONLIB_WEIGHTS", "weights")
    monkeypatch.setenv("PYTHONPATH", "lib")
    reproduce(data="weights", results="out")
    (job,) = planned
    assert job.environment["FUSIONLIB_WEIGHTS"] == str(tmp_path / "weights")
    assert str(tmp_path / "lib") in job.environment["PYTHONPATH"]
    assert job.parameters["data"] == str(tmp_path / "weights")
    assert job.parameters["results"] == str(tmp_path / "out" / "a" / "smoke")


def test_list_shows_titles_and_parameters(collection, make, capsys):
    collection({"paper/table1": make()})
    assert main(["reproduce", "--list"]) == 0
    printed = capsys.readouterr().out
    for part in ("paper/table1", "Measure a number", "quick 2 min", "lr: float = 0.0001"):
        assert part in printed


def test_installed_without_notebooks(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONLIB_NOTEBOOKS", str(tmp_path / "none"))
    with pytest.raises(FusionError, match="FUSIONLIB_NOTEBOOKS"):
        reproduce()


def test_one_that_reads_the_others_results_runs_after_all_of_them(collection, make):
    slow = make(
        "import pathlib, time\ntime.sleep(4)",
        "pathlib.Path(results, 'table.csv').write_text('a\\n1\\n')",
    )
    reader = make(
        "import pathlib",
        "written = pathlib.Path(results).parents[1] / 'slow' / profile / 'table.csv'",
        "pathlib.Path(results, 'table.csv').write_text(written.read_text())",
    )
    reader.metadata["fusionlib"]["last"] = True
    collection({"gather": reader, "slow": slow})
    outcomes = reproduce(jobs=2)
    assert [(outcome.name, outcome.problems) for outcome in outcomes] == [
        ("gather", ()),
        ("slow", ()),
    ]
