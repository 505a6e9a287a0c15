"""The notebooks of the collection: where they are, what each declares."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from fusionlib.errors import FusionError
from fusionlib.runner.parameters import Parameter, read_parameters, unknown

PROFILES = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Notebook:
    """A notebook as it lies in the collection, not yet run.

    `name` is its path in the collection without the suffix, `results` the files
    that a run must leave in its folder, `may_be_empty` the columns of its tables
    that need hold no number, `minutes` the time each profile takes. `last` says that
    it reads what the others have written.
    """

    name: str
    path: Path
    title: str
    parameters: tuple[Parameter, ...]
    results: tuple[str, ...]
    minutes: dict[str, float]
    may_be_empty: tuple[str, ...] = ()
    last: bool = False

    @property
    def stem(self) -> str:
        return self.path.stem

    def parameter(self, name: str) -> Parameter | None:
        return next((p for p in self.parameters if p.name == name), None)


def notebooks_root() -> Path:
    """Folder of the notebooks: FUSIONLIB_NOTEBOOKS, else the checkout's."""
    given = os.environ.get("FUSIONLIB_NOTEBOOKS")
    folder = Path(given or Path(__file__).parents[2] / "notebooks").expanduser().resolve()
    if not folder.is_dir():
        raise FusionError(
            f"The folder of the notebooks does not exist: {folder} (they come with a clone of the "
            "repository, not with the installed package: set FUSIONLIB_NOTEBOOKS to that folder)."
        )
    return folder


def load(path: Path) -> dict:
    """The notebook as parsed JSON, every cell's source as one string."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook.setdefault("metadata", {})
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])  # on disk a list of lines, or text
            cell.setdefault("metadata", {})
            cell.setdefault("cell_type", "raw")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FusionError(f"The notebook {path} can't be read: {error!r}.") from error
    return notebook


def title(cells: list[dict]) -> str:
    """The first H1 of the first markdown cell, without its mark."""
    first = next((c["source"] for c in cells if c["cell_type"] == "markdown"), "")
    heading = next((line for line in first.splitlines() if line.startswith("# ")), "")
    return heading.removeprefix("# ").strip()


def describe(path: Path, root: Path) -> Notebook:
    """Read what a notebook declares; FusionError if it declares it badly."""
    name = path.relative_to(root).with_suffix("").as_posix()
    notebook = load(path)
    declared = notebook["metadata"].get("fusionlib", {})
    if not declared.get("results"):
        raise FusionError(
            f"The notebook {name} declares no results: list the files that it writes in its "
            'metadata, as {"fusionlib": {"results": ["table.csv"]}}.'
        )
    return Notebook(
        name,
        path,
        title(notebook["cells"]),
        tuple(read_parameters(notebook, name)),
        tuple(declared["results"]),
        declared.get("minutes", {}),
        tuple(declared.get("may_be_empty", ())),
        declared.get("last", False),
    )


def find(names: list[str] | None = None) -> list[Notebook]:
    """The notebooks of these names, or all of them.

    A name is a path in the collection, such as
    "beyond_strict_pairing/table1_generalisation", its last part, or a folder. An
    unknown one raises FusionError with the nearest.
    """
    root = notebooks_root()
    paths = {
        path.relative_to(root).with_suffix("").as_posix(): path
        for path in sorted(root.rglob("*.ipynb"), key=lambda p: (len(p.parts), p))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    chosen = set()
    for given in names or paths:
        wanted = given.removesuffix(".ipynb").rstrip("/")
        found = [n for n in paths if wanted in (n, Path(n).name) or n.startswith(f"{wanted}/")]
        if not found:
            known = {n for path in paths for n in (path, Path(path).name)}
            raise unknown("notebook", given, known, f" in {root}")
        chosen.update(found)
    return [describe(path, root) for name, path in paths.items() if name in chosen]
