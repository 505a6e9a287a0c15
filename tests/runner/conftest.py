"""A collection of small notebooks, built in the test's own folder."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

OPENING = """# Measure a number

**What you will do**: measure it. **Minutes**: smoke 1, quick 2, paper 3 minutes.

**What you will learn**: its size.

**What you need**: nothing.
"""
PARAMETERS = """profile: str = "smoke"  # smoke, quick or paper
data: str = ""  # folder of the datasets
results: str = ""  # folder of the results
lr: float = 1e-4  # learning rate
"""


def build(*code, parameters=PARAMETERS, results=("table.csv",)):
    """A notebook without defects that runs these code cells."""
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Compute"),
        *map(new_code_cell, code or ["print(lr)"]),
    ]
    minutes = {"smoke": 1, "quick": 2, "paper": 3}
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "fusionlib": {"results": list(results), "minutes": minutes},
    }
    notebook = new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    return notebook


@pytest.fixture
def make():
    return build


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """Write {name: notebook} as the collection; results go to `results` beside it."""

    def write(notebooks):
        for name, notebook in notebooks.items():
            path = tmp_path / "notebooks" / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, path)
        monkeypatch.setenv("FUSIONLIB_NOTEBOOKS", str(tmp_path / "notebooks"))
        monkeypatch.setenv("FUSIONLIB_RESULTS", str(tmp_path / "results"))
        monkeypatch.delenv("FUSIONLIB_DATA", raising=False)
        return tmp_path / "results"

    return write
