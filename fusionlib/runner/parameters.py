"""The parameters of a notebook: read without running it, checked before running it.

papermill only logs a warning for an unknown name, guesses types from the text and
overlooks annotations and strings that its pattern does not expect. So the cell tagged
`parameters` is parsed here, as Python.
"""

import ast
import contextlib
import difflib
import io
import json
import math
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fusionlib.errors import FusionError

_PLAIN = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line `name: type = default  # help` of a parameters cell."""

    name: str
    type: str
    default: Any
    help: str

    def parse(self, value: Any) -> Any:
        """The value in the declared type; text is read as that type.

        A parameter declared str takes text as it is ("2024_01" stays text), bool
        takes true or false, lists and dicts take JSON. Other Python objects are
        checked. Raises FusionError if the value does not fit.
        """
        annotation = ast.parse(self.type, mode="eval").body
        parsed = value
        if isinstance(value, str) and self.type != "str":
            with contextlib.suppress(ValueError):  # still text, which does not fit the type
                parsed = json.loads(value.lower() if self.type == "bool" else value)
        if self.type == "float" and type(parsed) is int:
            parsed = float(parsed)
        if not _fits(parsed, annotation):
            raise FusionError(
                f"The parameter {self.name} takes {_spoken(self.type)}, not {value!r}."
            )
        return parsed


def _spoken(type_: str) -> str:
    example = {"bool": "true or false", "int": "a whole number", "float": "a finite number"}
    return f"{type_} ({example.get(type_, 'as JSON')})" if type_ != "str" else "str (text)"


def _is_type(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Name(id=name):
            return name in _PLAIN
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return _is_type(item)
        case ast.Subscript(
            value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), item])
        ):
            return _is_type(item)
    return False


def _fits(value: Any, annotation: ast.expr) -> bool:
    match annotation:
        case ast.Name(id="float"):
            return type(value) in (int, float) and math.isfinite(value)
        case ast.Name(id=name):
            return type(value) is _PLAIN[name]  # a bool is no int here
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return isinstance(value, list) and all(_fits(v, item) for v in value)
        case ast.Subscript(slice=ast.Tuple(elts=[_, item])):
            return isinstance(value, dict) and all(
                isinstance(k, str) and _fits(v, item) for k, v in value.items()
            )
    return False


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def inspect(source: str) -> tuple[list[Parameter], list[str]]:
    """The parameters that a cell declares, and a sentence for each defect in it."""
    try:
        tree, comments = ast.parse(source), _comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        return [], [f"the parameters cell is not valid Python: {error}"]
    parameters, defects = [], []
    for node in tree.body:
        line = f"line {node.lineno} of the parameters cell"
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr()):
                pass
            case _:
                defects.append(f"{line} is not of the form `name: type = default  # help`")
                continue
        if not _is_type(annotation):
            defects.append(
                f"{line}: the type of {name} is not plain (int, float, str, bool, list[...], "
                f"dict[str, ...]): {ast.unparse(annotation)}"
            )
            continue
        try:
            default = ast.literal_eval(node.value)
        except (ValueError, TypeError):
            defects.append(f"{line}: the default of {name} is not a plain value")
            continue
        if not _fits(default, annotation):
            defects.append(f"{line}: the default of {name} is not {ast.unparse(annotation)}")
        help_ = comments.get(node.end_lineno, "").strip()
        if not help_:
            defects.append(f"{line}: {name} has no help (a comment on the same line)")
        if any(name == p.name for p in parameters):
            defects.append(f"{line}: {name} is declared twice")
        parameters.append(Parameter(name, ast.unparse(annotation), default, help_))
    return parameters, defects


def parameter_cells(cells: list[dict]) -> list[int]:
    """Positions of the code cells tagged `parameters`."""
    return [
        i
        for i, cell in enumerate(cells)
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", [])
    ]


def read_parameters(notebook: dict, name: str) -> list[Parameter]:
    """The parameters of a notebook (nbformat 4 node); `name` is for messages.

    Raises FusionError unless it has exactly one well-formed cell tagged
    `parameters`.
    """
    tagged = parameter_cells(notebook["cells"])
    if len(tagged) != 1:
        raise FusionError(
            f"The notebook {name} has {len(tagged)} cells tagged `parameters`: give it exactly one."
        )
    parameters, defects = inspect(notebook["cells"][tagged[0]]["source"])
    if defects:
        raise FusionError(f"The notebook {name} can't be run: {defects[0]}.")
    return parameters


def unknown(what: str, given: str, known: Iterable[str], where: str = "") -> FusionError:
    """The error for a name that does not exist, with the nearest that does."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}."
    return FusionError(f"There is no {what} {given}{where}: {hint}")
