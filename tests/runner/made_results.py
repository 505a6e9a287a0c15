"""A collection of two notebooks and what runs of them might have left, made without a run."""

import base64
import json
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

HOSTILE = """<script>alert(1)</script> & "x" <img src=x onerror=alert(2)>"""
FORMULA = r"\mathcal L=\frac12\sum_p I_p"


def picture(path: Path, size: tuple[int, int] = (60, 40)) -> Path:
    """A PNG that is not of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize(size).save(path)
    return path


def source(path: Path, title: str, results: list[str]) -> None:
    """A notebook of the collection."""
    parameters = new_code_cell("lr: float = 0.1  # rate", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell(f"# {title}"), parameters]
    declared = {"results": results, "minutes": {"smoke": 1, "quick": 2, "paper": 3}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"fusionlib": declared}), path)


def executed(path: Path, title: str) -> Path:
    """A notebook with one output of each kind that ours have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png = base64.b64encode(picture(path.with_name("figure.png")).read_bytes()).decode()
    table = "<table border='1'><tr>" + "<td>1.2345678901</td>" * 30 + "</tr></table>"
    outputs = [
        new_output("stream", name="stdout", text="step 1\rstep 2 <b>\n"),
        new_output("display_data", {"text/html": table, "text/plain": "a table"}),
        new_output("display_data", {"image/png": png, "text/plain": "<Figure>"}),
        new_output("error", ename="E", evalue="<i>", traceback=["\x1b[31mE\x1b[0m: <i>broke</i>"]),
    ]
    cells = [
        new_markdown_cell(f"# {title}"),
        new_markdown_cell(f"## A heading\n\nSo ${FORMULA}$, and\n\n$$\n{FORMULA}\n$$"),
        new_code_cell("print('" + "long " * 60 + "')", outputs=outputs),
        new_markdown_cell(r"What it can't draw: $\underbrace{a<b}_{c}$."),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def make(folder: Path) -> tuple[Path, Path]:
    """The folders of notebooks and of results: one was run twice, one never.

    `paper/hostile <&"> name` has an executed notebook at smoke, and at quick what is
    committed: a table, two pictures and a record with verdicts.
    """
    notebooks, results = folder / "notebooks", folder / "my results"
    name = 'paper/hostile <&"> name'
    source(notebooks / f"{name}.ipynb", HOSTILE, ["b.png", "a.png", "t.csv", "record.json"])
    source(notebooks / "paper/unrun.ipynb", "Never run", ["record.json"])
    executed(results / name / "smoke" / "notebook.ipynb", HOSTILE)
    quick = results / name / "quick"
    picture(quick / "a.png")
    picture(quick / "b.png", (40, 200))
    (quick / "t #1.csv").write_text("EN\n6.5\n")
    verdicts = {"one": {"supported": 2, "undecided": 5}, "two": {"undecided": 1}}
    record = {"numbers": {"verdicts": verdicts}, "notes": ["profile quick; <i>800 steps</i>"]}
    (quick / "record.json").write_text(json.dumps(record))
    return notebooks, results
