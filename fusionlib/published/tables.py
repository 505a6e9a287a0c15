"""The printed tables: a CSV of cells for each, a TOML a paper to explain them."""

import tomllib
from dataclasses import dataclass
from importlib import resources

import pandas as pd

from fusionlib.errors import FusionError

_PAPERS = ("bsp", "ssvif", "regionfuse")
_MARKS = {"—": "dash", "?": "unreadable"}


@dataclass(frozen=True)
class Note:
    """A remark on what is printed.

    `rows` is a pandas query on the index columns ("" for all rows) and
    `column` an index column or a metric ("" for none in particular).
    """

    text: str
    rows: str = ""
    column: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """One printed table.

    cells: as printed, all strings; one row for each combination of the
        index columns, one column for each metric. "—" is a dash in the
        paper, "?" a cell unreadable in our text of it, "" a cell that the
        paper's table does not have. `<column>_printed` keeps a label that
        the index column beside it replaces by the field's name.
    values: the same, long: the index columns (numbers as numbers, ✓ and ×
        as bool), "metric", "value" (float, NaN for marks; a percentage as
        printed, 8.89 for "8.89%"), "printed" and "mark" ("", "dash" or
        "unreadable").
    direction: "higher" or "lower" is better, by metric; "" where neither.
    convention: which of `fusionlib.metrics`' conventions it was scored by.
    """

    paper: str
    number: int
    caption: str
    convention: str
    index: tuple[str, ...]
    metrics: tuple[str, ...]
    direction: dict[str, str]
    notes: tuple[Note, ...]
    cells: pd.DataFrame
    values: pd.DataFrame


def papers():
    """The papers' short names, a tuple of str."""
    return _PAPERS


def tables(paper):
    """The numbers of a paper's tables, a tuple of int (Table IX is 9).

    Raises FusionError for an unknown paper.
    """
    return tuple(int(number) for number in _contents(paper)["tables"])


def source(paper):
    """Who published the paper, under which title and where, as one line.

    Raises FusionError for an unknown paper.
    """
    contents = _contents(paper)
    return f"{contents['authors']}. {contents['title']}. {contents['venue']}."


def load(paper, table):
    """A printed table.

    paper: one of `papers()`. table: one of `tables(paper)`.
    Returns a new Table. Raises FusionError for an unknown paper or table.
    """
    contents = _contents(paper)
    if table not in tables(paper):
        known = ", ".join(contents["tables"])
        raise FusionError(f"{paper} has no table {table!r}: choose one of {known}.")
    about = contents["tables"][str(table)]
    with _folder(paper).joinpath(f"table{table}.csv").open(encoding="utf-8") as file:
        cells = pd.read_csv(file, dtype=str, keep_default_na=False)
    return Table(
        paper=paper,
        number=table,
        caption=about["caption"],
        convention=contents["convention"],
        index=tuple(about["index"]),
        metrics=tuple(about["metrics"]),
        direction={metric: contents["direction"].get(metric, "") for metric in about["metrics"]},
        notes=tuple(Note(**note) for note in about.get("notes", ())),
        cells=cells,
        values=_long(cells, about["index"], about["metrics"]),
    )


def _folder(paper):
    return resources.files(__package__).joinpath(paper)


def _contents(paper):
    if paper not in _PAPERS:
        raise FusionError(f"no paper {paper!r}: choose one of {', '.join(_PAPERS)}.")
    return tomllib.loads(_folder(paper).joinpath("tables.toml").read_text(encoding="utf-8"))


def _long(cells, index, metrics):
    frame = pd.concat([cells[index].apply(_typed), cells[metrics]], axis=1)
    long = frame.melt(index, var_name="metric", value_name="printed", ignore_index=False)
    # Back to the order in which the paper is read: row by row.
    long = long[long["printed"] != ""].sort_index(kind="stable").reset_index(drop=True)
    mark = long["printed"].map(lambda printed: _MARKS.get(printed, ""))
    long.insert(len(index) + 1, "value", long["printed"].where(mark == "").map(_number))
    return long.assign(mark=mark)


def _typed(column):
    if set(column) <= {"✓", "×"}:
        return column == "✓"
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column


def _number(printed):
    if pd.isna(printed):
        return float("nan")
    return float(printed.removesuffix("%").replace("×10^", "e"))


def means_of(paper: str, table: int, *models: str) -> dict[str, dict[str, dict[str, float]]]:
    """Printed rows of a table of models: {test set: {model: {metric: value}}}.

    Raises FusionError as `load`; a model that is not there is left out.
    """
    values = load(paper, table).values.query("model in @models").dropna(subset="value")
    found: dict = {}
    for (test_set, model), part in values.groupby(["test_set", "model"], sort=False):
        row = dict(zip(part["metric"], part["value"], strict=True))
        found.setdefault(test_set, {})[model] = row
    return found


def row_label(mode: str, trainable: int) -> str:
    """A row as tables and legends write it: "SPTP 150", or a mode of no T by itself.

    trainable: T, or 0 where the mode alone names the row.
    """
    return f"{mode} {trainable:,}" if trainable else mode
