"""Infrared and visible image fusion: models, losses, pairing, metrics, training."""

__version__ = "0.1.0"
