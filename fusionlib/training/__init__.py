"""Training: a spec in, a run out. Runs are kept and never trained twice."""

from fusionlib.training.planning import Plan, plan
from fusionlib.training.probing import Cost, probe
from fusionlib.training.recipes import train
from fusionlib.training.spec import Spec
from fusionlib.training.stacked import train_stack
from fusionlib.training.store import Run, open_run, runs
from fusionlib.training.submitting import submit

__all__ = [
    "Cost", "Plan", "Run", "Spec", "open_run", "plan", "probe", "runs", "submit", "train",
    "train_stack",
]  # fmt: skip
