"""Infrared and visible image fusion: models, losses, pairing, metrics, training."""

from fusionlib.models import create_model

__version__ = "0.1.0"
__all__ = ["create_model"]
