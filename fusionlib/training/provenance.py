"""Where a number comes from: versions, device, commit."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

import fusionlib


def provenance(device: torch.device | str = "cpu") -> dict:
    """Versions, device, threads, git commit and the time, as plain values."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "fusionlib": fusionlib.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "numpy", "scikit-image")},
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> str | None:
    # The package may be installed without its repository, or without git.
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=Path(fusionlib.__file__).parent,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
