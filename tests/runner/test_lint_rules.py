import json

import nbformat
import pytest

from fusionlib.runner.lint import lint, main
from fusionlib.runner.notebooks import PROFILES


def code(source):
    def mutate(notebook):
        notebook["cells"][3]["source"] = source

    return mutate


def cell(position, **changes):
    return lambda notebook: notebook["cells"][position].update(changes)


def opening(old, new=""):
    def mutate(notebook):
        notebook["cells"][0]["source"] = "".join(notebook["cells"][0]["source"]).replace(old, new)

    return mutate


def metadata(**changes):
    return lambda notebook: notebook["metadata"].update(changes)


def lint_mutant(notebook, mutate, path):
    content = json.loads(nbformat.writes(notebook))
    mutate(content)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return lint(path)


MUTANTS = {
    "old format": (lambda n: n.update(nbformat_minor=4), "nbformat 4.5"),
    "no id": (lambda n: n["cells"][2].pop("id"), "id of its own"),
    "same id": (lambda n: n["cells"][2].update(id=n["cells"][1]["id"]), "id of its own"),
    "kernel": (metadata(kernelspec={"name": "venv"}), "kernelspec"),
    "widgets": (metadata(widgets={}), "does not belong in a commit: widgets"),
    "no results": (metadata(fusionlib={"minutes": dict.fromkeys(PROFILES, 1)}), "results"),
    "no minutes": (metadata(fusionlib={"results": ["a.csv"], "minutes": {"smoke": 1}}), "minutes"),
    "no title": (opening("# Measure", "Measure"), "no title"),
    "no do": (opening("What you will do"), "What you will do"),
    "no learn": (opening("What you will learn"), "What you will learn"),
    "no need": (opening("What you need"), "What you need"),
    "no time": (opening("quick 2"), "how long"),
    "not tagged": (cell(1, metadata={}), "0 cells are tagged"),
    "two tagged": (cell(3, metadata={"tags": ["parameters"]}), "2 cells are tagged"),
    "no help": (cell(1, source="lr: float = 0.1"), "cell 2: line 1 of the parameters cell: lr has"),
    "no type": (cell(1, source="lr = 0.1  # rate"), "not of the form"),
    "outputs": (
        cell(3, outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}]),
        "cell 4: outputs",
    ),
    "count": (cell(3, execution_count=2), "cell 4: an execution count"),
    "def": (code("def f():\n    pass"), "cell 4: defines f"),
    "class": (code("class A:\n    pass"), "defines A"),
    "long": (code("x = 1\n" * 21), "cell 4: 21 lines"),
    "shell": (code("x = 1\n!ls"), "shell command or magic: !ls"),
    "assigned shell": (code("x = !ls"), "magic"),
    "pip": (code("%pip install torch"), "magic"),
    "bash cell": (code("%%bash\nls"), "magic"),
    "ipython": (code("get_ipython().system('ls')"), "magic"),
    "not Python": (code("x = ="), "not valid Python"),
    "absolute": (code("x = '/home/me/MSRS'"), "absolute path"),
    "home": (code("x = '~/MSRS'"), "absolute path"),
    "drive": (code("x = 'C:/MSRS'"), "absolute path"),
    "getcwd": (code("import os\nx = os.getcwd()"), "working folder"),
    "cwd": (code("x = Path.cwd()"), "working folder"),
    "open": (code("x = open('table.csv')"), "working folder"),
    "Path": (code("x = Path('results') / 'table.csv'"), "working folder"),
    "Image.open": (code("x = Image.open(f'{name}.png')"), "working folder"),
    "read_csv": (code("x = pd.read_csv('../table.csv')"), "working folder"),
    "savefig": (code("figure.savefig('figure.png')"), "working folder"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_rule_finds_its_defect(make, tmp_path, name):
    mutate, defect = MUTANTS[name]
    found = lint_mutant(make(), mutate, tmp_path / "ssvif" / "table1.ipynb")
    assert any(defect in line for line in found), found
    # One mistake is reported for what it is, not as several.
    assert len(found) == (2 if name == "two tagged" else 1), found


ALLOWED = """folder = Path(results)
table = pd.read_csv(folder / "table.csv")
with (folder / "notes.md").open("w") as file:
    file.write(f"{table.EN}/{table.MI} in W/m, see https://example.org/a/b, $\\\\alpha$")
best = max(table.EN, key=lambda x: -x)
numbers = published.load("bsp", "1")
figure.savefig(folder / f"{name}/figure.png")"""


def test_sound_notebook_has_no_defect(make, tmp_path):
    assert lint_mutant(make(), code(ALLOWED), tmp_path / "ssvif" / "table1.ipynb") == []


def test_teaching_notebooks_may_define(make, tmp_path):
    defines = code("def f():\n    pass")
    assert lint_mutant(make(), defines, tmp_path / "walkthroughs" / "losses.ipynb") == []


def test_command_names_the_file_and_fails(make, tmp_path, capsys):
    path = tmp_path / "table1.ipynb"
    lint_mutant(make(), code("!ls"), path)
    assert main([str(path)]) == 1
    assert capsys.readouterr().out == f"{path}: cell 4: shell command or magic: !ls\n"
    path.write_text("{")
    assert main([str(path)]) == 1
    assert "can't be read" in capsys.readouterr().out
