"""Where a number comes from: versions, device, commit."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import torch

import fusionlib
from fusionlib.git import own_commit


def provenance(device: torch.device | str = "cpu") -> dict:
    """Versions, device, threads, git commit and the time, as plain values."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "fusionlib": fusionlib.__version__,
        "commit": own_commit(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # names the build, as the metadata may not
        **{package: version(package) for package in ("numpy", "scikit-image")},
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
