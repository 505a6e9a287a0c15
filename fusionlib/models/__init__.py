"""Fusion models behind one registry: `fused = model(ir, vi)`."""

from fusionlib.models.registry import MODELS, create_model
from fusionlib.models.released import load_released
from fusionlib.models.trained import load_trained, trained_names
from fusionlib.models.weights import load_weights

__all__ = [
    "MODELS",
    "create_model",
    "load_released",
    "load_trained",
    "load_weights",
    "trained_names",
]
