"""Training: a spec in, a run out. Runs are kept and never trained twice."""

from fusionlib.training.background import Background
from fusionlib.training.consistency import Consistency
from fusionlib.training.labelled_images import scaled
from fusionlib.training.labelled_source import LabelledSource, labelled_source
from fusionlib.training.planning import Plan, plan
from fusionlib.training.probing import Cost, probe
from fusionlib.training.recipes import train
from fusionlib.training.segmenter_spec import SegmenterSpec
from fusionlib.training.shown import shown
from fusionlib.training.spec import Spec
from fusionlib.training.stacked import train_stack
from fusionlib.training.store import Run, open_run, runs
from fusionlib.training.submitting import submit

__all__ = [
    "Background", "Consistency", "Cost", "LabelledSource", "Plan", "Run", "SegmenterSpec", "Spec",
    "labelled_source", "open_run", "plan", "probe", "runs", "scaled", "shown", "submit", "train",
    "train_stack",
]  # fmt: skip
