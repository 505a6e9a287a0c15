"""Infrared and visible image fusion: models, losses, pairing, metrics, training."""

__version__ = "0.1.0"
__all__ = ["create_model", "fuse_files"]


def __getattr__(name: str):
    # The command line asks for the package long before it needs torch.
    if name == "create_model":
        from fusionlib.models import create_model

        return create_model
    if name == "fuse_files":
        from fusionlib.fusing import fuse_files

        return fuse_files
    raise AttributeError(f"module 'fusionlib' has no attribute {name!r}")
