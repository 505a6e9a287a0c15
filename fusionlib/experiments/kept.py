"""Rows that another machine left in results/, for runs that are not here."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from fusionlib.data import PairSet
from fusionlib.files import NUMBER, digest


class Kept:
    """A table that was written where the runs are, read where they are not.

    It counts only beside a record.json that names the same conditions and this
    very table (one that was written since, in a run that did not come to its
    end, is another), and for test images of the bytes that this record names.

    Args:
        path: the table; None, or no file there, knows nothing.
        **conditions: parameters that the record must name, such as protocol.
    """

    def __init__(self, path: Path | None, **conditions: str):
        self.table: pd.DataFrame | None = None
        self._fingerprints: set[str] = set()
        self._runs: set[str] = set()
        record = path.with_name("record.json") if path else None
        if path is None or not path.is_file() or not record.is_file():
            return
        told = json.loads(record.read_text("utf-8"))
        same = told.get("tables", {}).get(path.name) == digest(path)
        given = told["parameters"]
        if same and all(given.get(name) == value for name, value in conditions.items()):
            # Some image names and keys look like numbers.
            self.table = pd.read_csv(path, dtype={"image": str, "key": str})
            self._fingerprints = {test["fingerprint"] for test in told["tests"]}
            self._runs = {run["key"] for run in told["runs"]}

    def made_from(self, keys: Iterable[str]) -> bool:
        """Whether it was made from these runs, among others."""
        return self._runs >= set(keys)

    def knows(self, test: PairSet) -> bool:
        """Whether these very images were scored."""
        return test.fingerprint in self._fingerprints

    def scores(
        self, key: str, test: PairSet, metrics: Sequence[str] = (), step: int | None = None
    ) -> pd.DataFrame | None:
        """A run's rows on a test set: image, metrics; None if anything is missing.

        step: of the snapshot, in a table that has several of a run.
        """
        needed = set(metrics) if step is None else {*metrics, "step"}
        if not self.knows(test) or not needed <= set(self.table.columns):
            return None
        here = self._of(key)
        here = here[(here["test_set"] == test.dataset) & here["image"].isin(test.names)]
        if step is not None:
            here = here[here["step"] == step]
        here = here.drop_duplicates("image")  # a table may name one run twice
        if here["image"].tolist() != list(test.names):
            return None
        return here.loc[:, "image":]  # as `evaluate` has it: the metrics follow

    def course(self, key: str, last: int) -> pd.DataFrame | None:
        """A run's rows over its steps: step, values; None if they do not reach `last`."""
        if self.table is None or not {"key", "step"} <= set(self.table.columns):
            return None
        here = self._of(key).drop_duplicates("step").loc[:, "step":]
        return here if len(here) and here["step"].iloc[-1] == last else None

    def _of(self, key: str) -> pd.DataFrame:
        return self.table[self.table["key"] == key]


def as_kept(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with their numbers as a table's file holds them.

    So what is made of them is the same where they were measured and where only
    the file is.
    """
    numbers = table.select_dtypes("float").apply(lambda column: column.map(_written))
    return table.assign(**numbers)


def _written(value: float) -> float:
    return float(NUMBER % value)
