"""Check notebooks against the notebook grammar: `python -m fusionlib.runner.lint FILES...`.

Prints one line a defect, `file: cell N: what is wrong` (cells count from 1), and exits with 1
if there is any. Runs nothing.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fusionlib.errors import FusionError
from fusionlib.runner.notebooks import PROFILES, load, title
from fusionlib.runner.parameters import inspect, parameter_cells

_REPRODUCTION = {"beyond_strict_pairing", "ssvif", "regionfuse"}
_OPENING = ("What you will do", "What you will learn", "What you need")
_MAX_LINES = 20
_ABSOLUTE = re.compile(
    r"/(?:tmp|home|root|data|mnt|content|usr|var|opt|work|Users)\b|/\w[\w.-]*/\w|~[/\\]|[A-Za-z]:[\\/]|file:"
)
_CWD = {"os.getcwd", "Path.cwd", "pathlib.Path.cwd", "os.chdir", "os.path.abspath"}
# Calls whose first argument is a path; given as plain text it depends on the working folder.
_TAKES_PATH = {"open", "Path", "listdir", "makedirs", "read_csv", "read_json", "imread"}
_TAKES_PATH |= {"to_csv", "to_json", "savefig", "imsave", "loadtxt", "savetxt"}


def lint(path: Path) -> list[str]:
    """The defects of one notebook, each "cell N: ..." or about the whole file."""
    try:
        notebook = load(path)
    except FusionError as error:
        return [str(error)]
    cells = notebook["cells"]
    found = [*_file(notebook), *_opening(cells), *_parameters(cells)]
    reproduction = bool(_REPRODUCTION & set(path.resolve().parts))
    for number, cell in enumerate(cells, 1):
        defects = list(_any_cell(cell))
        if cell["cell_type"] == "code":
            defects += _code_cell(cell, reproduction)
        found += [f"cell {number}: {defect}" for defect in defects]
    return found


def _file(notebook: dict) -> Iterator[str]:
    if (notebook.get("nbformat"), notebook.get("nbformat_minor")) != (4, 5):
        yield "the format is not nbformat 4.5"
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        yield "not every cell has an id of its own"
    metadata = notebook["metadata"]
    if metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernelspec is not python3"
    if extra := set(metadata) - {"kernelspec", "language_info", "fusionlib"}:
        yield f"metadata that does not belong in a commit: {', '.join(sorted(extra))}"
    declared = metadata.get("fusionlib", {})
    results = declared.get("results")
    if not (isinstance(results, list) and results and all(isinstance(r, str) for r in results)):
        yield 'metadata fusionlib.results does not list the files it writes, as ["table.csv"]'
    minutes = declared.get("minutes", {})
    if set(minutes) != set(PROFILES) or not all(type(m) in (int, float) for m in minutes.values()):
        yield f"metadata fusionlib.minutes does not give a number for each of {', '.join(PROFILES)}"


def _opening(cells: list[dict]) -> Iterator[str]:
    if not cells or cells[0]["cell_type"] != "markdown" or not title(cells):
        yield "cell 1: no title: begin with a markdown heading `# <verb> ...`"
    text = ""
    for cell in cells:
        if cell["cell_type"] == "code":
            break
        text += cell["source"] + "\n"
    for words in _OPENING:
        if not re.search(rf"^(#+ |[-*] )?(\*\*)?{words}", text, re.MULTILINE | re.IGNORECASE):
            yield f"the opening has no heading or bold words `{words}`"
    silent = [profile for profile in PROFILES if profile not in text]
    if silent or not re.search(r"\b(second|minute|min|hour)s?\b", text):
        yield f"the opening does not say how long each profile takes: {', '.join(PROFILES)}"


def _parameters(cells: list[dict]) -> Iterator[str]:
    tagged = parameter_cells(cells)
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged `parameters`, not one"
    for position in tagged:
        for defect in inspect(cells[position]["source"])[1]:
            yield f"cell {position + 1}: {defect}"


def _any_cell(cell: dict) -> Iterator[str]:
    if (lines := len(cell["source"].splitlines())) > _MAX_LINES:
        yield f"{lines} lines, more than {_MAX_LINES}"
    if cell.get("outputs"):
        yield "outputs are stored"
    if cell.get("execution_count") is not None:
        yield "an execution count is stored"


def _code_cell(cell: dict, reproduction: bool) -> Iterator[str]:
    try:
        tree = ast.parse(cell["source"])
    except SyntaxError as error:
        line = (cell["source"].splitlines() or [""])[(error.lineno or 1) - 1].strip()
        if re.match(r"[%!]|.*=\s*[%!]", line):
            yield f"shell command or magic: {line}"
        else:
            yield f"not valid Python, line {error.lineno}: {line}"
        return
    later = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values[1:]
    }
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if reproduction:
                yield f"defines {node.name}: move it to the library"
            case ast.Constant(value=str(text)) if _ABSOLUTE.match(text) and id(node) not in later:
                yield f"absolute path {text!r}"
            case ast.Call(func=func, args=arguments):
                yield from _call(ast.unparse(func), arguments)


def _call(function: str, arguments: list[ast.expr]) -> Iterator[str]:
    if function == "get_ipython":
        yield "shell command or magic: get_ipython()"
    if function in _CWD:
        yield f"{function}() depends on the working folder"
    text = next(iter(arguments), None)
    if function.rpartition(".")[2] not in _TAKES_PATH or not isinstance(
        text, ast.JoinedStr | ast.Constant
    ):
        return
    mode = isinstance(text, ast.Constant) and re.fullmatch(r"[rwxabt+]{1,3}", str(text.value))
    absolute = isinstance(text, ast.Constant) and _ABSOLUTE.match(str(text.value))
    if not absolute and not (mode and function.endswith(".open")):
        yield f"{function}({ast.unparse(text)}) depends on the working folder: join it to `results`"


def main(files: list[str]) -> int:
    defects = [f"{file}: {defect}" for file in files for defect in lint(Path(file))]
    print("\n".join(defects), end="\n" if defects else "")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
