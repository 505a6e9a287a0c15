"""Files that appear whole or not at all, and what tells them apart."""

import hashlib
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fusionlib.errors import FusionError

NUMBER = "%.6g"  # how a table's file holds a number


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(beside)` make a file beside `path`, then rename it to `path`.

    What was at `path` stays until the new file is complete, and also where
    writing fails; the folder is made where missing.

    Raises FusionError for a full disk or a folder that can't be written. `write`
    must report them as OSError; torch and safetensors don't, so give them
    memory to write to, and the bytes to this function.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        os.replace(beside, path)
    except OSError as error:
        raise FusionError(
            f"{path} cannot be written ({error.strerror or error}): check the folder and its free"
            " space; what was there is untouched."
        ) from error
    finally:
        with suppress(OSError):  # there is none after a success, or where no folder could be made
            beside.unlink()


def digest(path: Path) -> str:
    """16 hex digits that tell a file's bytes from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
