"""A row of a table, and how tables, legends and records call it."""

from dataclasses import dataclass

from fusionlib.published import row_label
from fusionlib.training import Spec


@dataclass(frozen=True)
class Row:
    """A row of a table: how the paper names it, and its specs, one a seed.

    Args:
        mode: the training paradigm, or what else tells the row from others.
        trainable: T as the paper prints it; 0 where the mode says all.
        specs: one a seed.
    """

    mode: str
    trainable: int
    specs: tuple[Spec, ...]

    @property
    def label(self) -> str:
        """The row as tables and legends write it, such as "SPTP 150"."""
        return row_label(self.mode, self.trainable)
