"""What a step costs: time and memory of a few, measured in a process of its own."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from fusionlib.errors import FusionError
from fusionlib.models.cost import COUNTED
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.recipes import recipe_of
from fusionlib.training.stacked import Stack
from fusionlib.training.store import open_run

WARM_STEPS = 2


@dataclass(frozen=True)
class Cost:
    """What a step costs on a device.

    seconds: of a step, the median; of a stack, of all its trainings together.
    core_seconds: of processors' time in a step, the mean: what the CPU's
        energy goes with.
    flop: floating-point operations of a step's convolutions and matrix
        products, forward and backward: what arithmetic energy goes with.
    peak_bytes: the most memory of the process: resident on the CPU; on a GPU
        what PyTorch reserved there.
    device: where.
    threads: of PyTorch on the CPU.
    stacked: trainings that stepped together.
    """

    seconds: float
    core_seconds: float
    flop: int
    peak_bytes: int
    device: str
    threads: int
    stacked: int


def probe(
    specs: AnySpec | Sequence[AnySpec],
    steps: int = 5,
    data: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Cost:
    """Take a few steps of a spec, or of a stack of specs, and keep nothing.

    It starts a process, so that the memory is that of the training alone.

    Args:
        specs: what would be trained.
        steps: how many are timed, after two that are not.
        data, device: as `train`.
        threads: of PyTorch on the CPU; None leaves them as they are here.

    Raises FusionError where the training itself would.
    """
    specs = [specs] if isinstance(specs, AnySpec) else specs
    with tempfile.TemporaryDirectory(prefix="fusionlib-probe-") as folder:
        files = []
        for number, spec in enumerate(specs):
            files.append(Path(folder) / f"{number}.json")
            files[-1].write_text(json.dumps(spec.to_dict()))
        command = [sys.executable, "-m", "fusionlib.training", *map(str, files)]
        command += ["--probe", str(steps)]
        command += [
            *(["--data", str(data)] if data else []),
            *(["--device", device] if device else []),
        ]
        environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise FusionError(f"The probe failed: {lines[-1].removeprefix('fusionlib: ')}")
    return Cost(**json.loads(done.stdout))


def measure_steps(
    specs: Sequence[AnySpec], steps: int, data: str | Path | None, device: str | None
) -> Cost:
    """The work of `probe`, in the process that it starts."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = torch.device(device).type == "cuda"
    with tempfile.TemporaryDirectory(prefix="fusionlib-probe-") as folder:
        trainings = []
        for spec in specs:
            # Long enough for the probe, whatever the spec says.
            length = {"epochs": None, "steps": max(spec.total_steps, WARM_STEPS + steps)}
            spec = dataclasses.replace(spec, **length)
            recipe = recipe_of(spec)
            base = recipe.load(spec, data, device, quiet=True)
            trainings.append(recipe(open_run(spec, Path(folder)), base, device))
        together = Stack(trainings) if len(trainings) > 1 else trainings[0]
        counter = FlopCounterMode(display=False, custom_mapping=COUNTED)
        with counter:
            together.one_step()
        for _ in range(WARM_STEPS - 1):
            together.one_step()
        times, worked = [], time.process_time()
        for _ in range(steps):
            began = time.perf_counter()
            together.one_step()
            if on_gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        worked = time.process_time() - worked
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Cost(
        seconds=sorted(times)[steps // 2],
        core_seconds=worked / steps,
        flop=counter.get_total_flops(),
        peak_bytes=torch.cuda.max_memory_reserved(device) if on_gpu else peak,
        device=device,
        threads=torch.get_num_threads(),
        stacked=len(specs),
    )
