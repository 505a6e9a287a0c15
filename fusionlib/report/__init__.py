"""Tables, figures and records that notebooks show and leave behind."""

from fusionlib.report.balance_figure import balance_curves, pull_panels
from fusionlib.report.browse import browse
from fusionlib.report.compare import (
    beside,
    compare,
    compare_tables,
    gained,
    gains_by_model,
    markdown,
    printed,
    wide,
)
from fusionlib.report.contrast import contrast_panels
from fusionlib.report.cost_figure import cost_panels
from fusionlib.report.curves import (
    curve_ends,
    game_curves,
    improvement_bars,
    points,
    smooth,
    training_curves,
)
from fusionlib.report.evolution import browse_evolution, evolution_film, evolution_grid
from fusionlib.report.explorer import Explorer, explore, look_closer
from fusionlib.report.grain import grain
from fusionlib.report.ledger_figure import ledger_bars
from fusionlib.report.monitor import Monitor, monitor
from fusionlib.report.pairing_figure import pairing_matrix
from fusionlib.report.panels import fused_panels, panels, patch_grid, telling_boxes
from fusionlib.report.record import results_folder, results_root, write_record, write_table
from fusionlib.report.region_figures import allocation
from fusionlib.report.relation_figure import joint_histograms, relation_growth
from fusionlib.report.segment_panels import overlaid, segment_panels
from fusionlib.report.style import save_figure
from fusionlib.report.table4 import (
    above_others,
    compare_methods,
    judge_methods,
    method_numbers,
    tolerance_check,
)
from fusionlib.report.table4_figure import method_points
from fusionlib.report.table4_views import (
    in_short,
    method_sizes,
    methods_table,
    styled_methods,
)
from fusionlib.report.verdicts import count, numbers, verdicts

__all__ = [
    "Explorer", "Monitor", "above_others", "allocation", "balance_curves", "beside", "browse",
    "browse_evolution", "compare", "compare_methods", "compare_tables", "contrast_panels",
    "cost_panels", "count", "curve_ends", "evolution_film", "evolution_grid", "explore",
    "fused_panels", "gained", "gains_by_model", "game_curves", "grain", "improvement_bars",
    "in_short", "joint_histograms", "judge_methods", "ledger_bars", "look_closer", "markdown",
    "method_numbers", "method_points", "method_sizes", "methods_table", "monitor", "numbers",
    "overlaid", "pairing_matrix", "panels", "patch_grid", "points", "printed", "pull_panels",
    "relation_growth", "results_folder", "results_root", "save_figure", "segment_panels", "smooth",
    "styled_methods", "telling_boxes", "tolerance_check", "training_curves", "verdicts", "wide",
    "write_record", "write_table",
]  # fmt: skip
