"""All results as one page: `python -m fusionlib.runner.gallery`.

It is index.html in their folder. Each notebook that was run, here or by
whoever committed its results, has a picture, its verdicts, and links to its
page, tables, pictures and source. No network is needed.
"""

import html
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from fusionlib import settings
from fusionlib.files import write_whole
from fusionlib.runner.notebooks import PROFILES, Notebook, find
from fusionlib.runner.page import document, write_page

INDEX, PAGE, EXECUTED = "index.html", "notebook.html", "notebook.ipynb"
PICTURES = (".png", ".webp", ".gif")
_PAPERS = {
    "": "To begin with",
    "beyond_strict_pairing": "Beyond Strict Pairing",
    "ssvif": "SSVIF",
    "regionfuse": "RegionFuse",
    "walkthroughs": "Walkthroughs",
}
_VERDICTS = ("supported", "contradicted", "undecided")
_WORK = {"smoke": "smoke, rendered scenes"}  # profile -> what to call it, where not by its name


@dataclass(frozen=True)
class Result:
    """What a notebook left at one profile: the folder, and its files by kind.

    The record is empty where none can be read, the pictures begin with the one
    that the notebook declares first, and there is a page where the executed
    notebook is at hand.
    """

    notebook: Notebook
    profile: str
    folder: Path
    record: dict
    tables: tuple[Path, ...]
    pictures: tuple[Path, ...]
    page: Path | None

    @property
    def verdicts(self) -> dict[str, int]:
        """How many comparisons have which verdict; {} where none were judged.

        Of the ledger, how many claims.
        """
        try:
            numbers = self.record["numbers"]
            ledger = {"all": numbers} if set(_VERDICTS) <= set(numbers) else None
            claims = numbers.get("verdicts", ledger)
            return {v: sum(int(n.get(v, 0)) for n in claims.values()) for v in _VERDICTS}
        except (AttributeError, KeyError, TypeError, ValueError):  # no such record
            return {}


def refresh(results: str | Path | None = None) -> Path:
    """Write the pages that are missing or old, then the index; returns it.

    A page is old if the executed notebook is newer. One that cannot be made is
    told on standard error and left out.

    results: root of the result folders; default FUSIONLIB_RESULTS, else the
        checkout's.

    Raises FusionError where the index cannot be written, or where a notebook
    of the collection declares something wrong.
    """
    root = Path(results).expanduser().resolve() if results else settings.results_root()
    notebooks = find()
    for notebook in notebooks:
        for profile in PROFILES:
            _refresh_page(root, root / notebook.name / profile)
    index = root / INDEX
    text = document("Results of fusionlib", _index(notebooks, root))
    write_whole(index, lambda beside: beside.write_text(text, "utf-8"))
    return index


def _refresh_page(root: Path, folder: Path) -> None:
    executed, page = folder / EXECUTED, folder / PAGE
    if not executed.is_file():
        return
    if page.is_file() and page.stat().st_mtime_ns >= executed.stat().st_mtime_ns:
        return
    try:
        page.unlink(missing_ok=True)  # better none than one of another run
        write_page(executed, page, _link(root / INDEX, folder))
    except Exception as error:  # such as a notebook that is just being written
        print(f"There is no page of {executed}: {error!r}", file=sys.stderr)


def collect(notebook: Notebook, root: Path) -> list[Result]:
    """What a notebook left at each profile, the most work first."""
    found = []
    for profile in reversed(PROFILES):
        folder = root / notebook.name / profile
        declared = [folder / name for name in notebook.results]
        pictures = [*declared, *sorted(folder.glob("*.*"))]
        pictures = [p for p in dict.fromkeys(pictures) if p.suffix in PICTURES]
        result = Result(
            notebook,
            profile,
            folder,
            _record(folder / "record.json"),
            tuple(sorted(folder.glob("*.csv*"))),
            tuple(path for path in pictures if path.is_file()),
            folder / PAGE if (folder / PAGE).is_file() else None,
        )
        if result.record or result.tables or result.pictures or result.page:
            found.append(result)
    return found


def _record(path: Path) -> dict:
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _index(notebooks: list[Notebook], root: Path) -> str:
    """The body of the page: a section a paper, a card a notebook."""
    parts = ["<h1>Results of fusionlib</h1>"]
    parts += ["<p>What each notebook measured, with its tables and pictures. A verdict says what"]
    parts += ["our runs make of a comparison that a paper claims.</p>"]
    by_paper = groupby(notebooks, key=lambda n: n.name.rpartition("/")[0])
    for paper, group in by_paper:
        made = [(notebook, collect(notebook, root)) for notebook in group]
        cards = [_card(results, root) for _, results in made if results]
        absent = [notebook for notebook, results in made if not results]
        parts += [f"<section>\n<h2>{html.escape(_PAPERS.get(paper, paper))}</h2>"]
        parts += ['<ul class="cards">', *cards, "</ul>"] if cards else []
        if absent:
            links = ", ".join(_a(n.path, root, n.stem) for n in absent)
            parts += [f'<p class="soft">Not run yet: {links}</p>']
        parts += ["</section>"]
    return "\n".join(parts)


def _card(results: list[Result], root: Path) -> str:
    first = results[0]
    notebook = first.notebook
    page = next((result.page for result in results if result.page), None)
    name = html.escape(notebook.title or notebook.stem)
    heading = f'<a href="{_link(page, root)}">{name}</a>' if page else name
    lines = ["<li>", _thumbnail(results, root), f"<h3>{heading}</h3>"]
    lines += [f'<p class="soft">{_a(notebook.path, root, notebook.path.name)}</p>']
    for result in results:
        lines += _made(result, root)
    return "\n".join(line for line in lines if line) + "\n</li>"


def _thumbnail(results: list[Result], root: Path) -> str:
    """The first picture that can be opened, of the profile that did the most work."""
    from PIL import Image

    for result in results:
        for path in result.pictures:
            try:
                with Image.open(path) as image:
                    width, height = image.size
            except Exception:  # whatever Pillow says of a damaged or a huge one
                continue
            said = html.escape(f"{path.stem} of: {result.notebook.title}, profile {result.profile}")
            kind = ' class="tall"' if height > 1.5 * width else ""
            return (
                f'<a href="{_link(path, root)}"><img src="{_link(path, root)}" alt="{said}"'
                f' width="{width}" height="{height}" loading="lazy"{kind}></a>'
            )
    return ""


def _made(result: Result, root: Path) -> Iterator[str]:
    """The lines of one profile: verdicts, what must be known beside them, files."""
    verdicts = ", ".join(
        f'<span class="{verdict}">{count} {verdict}</span>' if count else f"0 {verdict}"
        for verdict, count in result.verdicts.items()
    )
    work = _WORK.get(result.profile, result.profile)
    yield f"<p><b>{work}</b>{': ' if verdicts else ''}{verdicts}</p>"
    notes = result.record.get("notes")
    if isinstance(notes, list) and notes:
        yield f'<p class="soft">{html.escape(". ".join(map(str, notes)))}</p>'
    links = [_a(result.page, root, "the notebook, run")] if result.page else []
    links += [_a(path, root, path.name) for path in (*result.tables, *result.pictures)]
    if links:
        yield f'<details class="files"><summary>{len(links)} files</summary>'
        yield f"{' '.join(links)}</details>"


def _a(path: Path, root: Path, text: str) -> str:
    return f'<a href="{_link(path, root)}">{html.escape(text)}</a>'


def _link(path: Path, folder: Path) -> str:
    """The way from a folder to a file, as it stands in an attribute."""
    return html.escape(quote(Path(os.path.relpath(path, folder)).as_posix()))


if __name__ == "__main__":
    print(refresh())
