"""Infrared and visible image fusion: models, losses, pairing, metrics, training."""

__version__ = "0.1.0"
__all__ = ["create_model"]


def __getattr__(name: str):
    # The command line asks for the package long before it needs torch.
    if name == "create_model":
        from fusionlib.models import create_model

        return create_model
    raise AttributeError(f"module 'fusionlib' has no attribute {name!r}")
