"""Every number printed in the tables of the three papers, as data."""

from fusionlib.published.tables import (
    Note,
    Table,
    load,
    means_of,
    papers,
    row_label,
    source,
    tables,
)

__all__ = ["Note", "Table", "load", "means_of", "papers", "row_label", "source", "tables"]
