"""Tables, figures and records that notebooks show and leave behind."""

from fusionlib.report.browse import browse
from fusionlib.report.compare import compare, markdown, wide
from fusionlib.report.curves import curve_ends, points, smooth, training_curves
from fusionlib.report.panels import panels, patch_grid, telling_boxes
from fusionlib.report.record import results_folder, write_record, write_table
from fusionlib.report.style import save_figure
from fusionlib.report.verdicts import count, numbers, verdicts

__all__ = [
    "browse", "compare", "count", "curve_ends", "markdown", "numbers", "panels", "patch_grid",
    "points", "results_folder", "save_figure", "smooth", "telling_boxes", "training_curves",
    "verdicts", "wide", "write_record", "write_table",
]  # fmt: skip
