"""Every notebook of the collection keeps to the notebook grammar."""

from pathlib import Path

from fusionlib.runner.lint import lint

ROOT = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(p for p in ROOT.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_notebooks_are_clean():
    defects = [f"{path.relative_to(ROOT)}: {d}" for path in NOTEBOOKS for d in lint(path)]
    assert not defects, "\n".join(defects)
