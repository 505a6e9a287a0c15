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
        "torch": str(torch.__version__),  # names the build, as the metadata may not
        **{package: version(package) for package in ("numpy", "scikit-image")},
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> str | None:
    # The package may be installed without its repository (and inside another), or without git.
    checkout = Path(fusionlib.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=checkout,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
