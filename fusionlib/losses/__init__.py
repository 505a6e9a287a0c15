"""Objectives: `terms = objective(fused, ir, vi)`, named scalars with `total`."""

from fusionlib.losses.bsp import BSPLoss
from fusionlib.losses.bsp_adversarial import EQ19, Adversarial

__all__ = ["EQ19", "Adversarial", "BSPLoss"]
