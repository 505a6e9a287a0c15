"""Objectives: `terms = objective(fused, ir, vi)`, named scalars with `total`."""

from fusionlib.losses.bsp import BSPLoss

__all__ = ["BSPLoss"]
