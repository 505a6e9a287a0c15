"""Training: a spec in, a run out. Runs are kept and never trained twice."""

from fusionlib.training.recipes import train
from fusionlib.training.spec import Spec
from fusionlib.training.store import Run, open_run, runs

__all__ = ["Run", "Spec", "open_run", "runs", "train"]
