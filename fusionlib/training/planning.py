"""What a list of trainings will cost, from a short probe, before the first one starts."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fusionlib.training.any_spec import AnySpec
from fusionlib.training.probing import probe
from fusionlib.training.store import open_run
from fusionlib.training.submitting import room

PROBED_STEPS = 50


@dataclass(frozen=True)
class Plan:
    """What is left to train, and how long that will take.

    runs: trainings that are not finished.
    steps: that they have yet to take, less those in their checkpoints.
    workers: processes at once.
    seconds: of a step while as many trainings run, by kind, such as
        "bsp-cnn bfloat16 8x128x128".
    hours: until all are trained.
    device: where.
    """

    runs: int
    steps: int
    workers: int
    seconds: dict[str, float]
    hours: float
    device: str

    def __str__(self) -> str:
        if not self.runs:
            return "all trained before"
        steps = ", ".join(f"{kind} {value:.3g} s a step" for kind, value in self.seconds.items())
        # The time first: a terminal may cut the rest.
        return (
            f"about {_time(self.hours)}: {self.runs} trainings, {self.steps:,} steps to take,"
            f" {self.workers} at once on {self.device}; {steps} ({PROBED_STEPS} probed)"
        )


def plan(
    specs: Sequence[AnySpec],
    data: str | Path | None = None,
    workers: int | None = None,
    device: str | None = None,
    steps: int = PROBED_STEPS,
) -> Plan:
    """Probe what is not yet trained, and foresee the time of it.

    A step is timed while as many others run as will, each in a process of
    its own, because they slow each other down.

    Args:
        specs: what would be trained; one that is named twice counts once.
        data, workers, device: as `submit`.
        steps: that each probe takes.

    Raises FusionError as `submit` does.
    """
    runs = {spec.key: open_run(spec) for spec in specs}
    missing = [run for run in runs.values() if not run.finished]
    if not missing:
        return Plan(0, 0, 0, {}, 0.0, device or "")
    workers, threads, devices = room([missing[0].spec], len(missing), data, workers, device=device)
    seconds, hours, left = {}, 0.0, 0
    for run in missing:
        spec = run.spec
        kind = spec.step_kind
        if kind not in seconds:
            with ThreadPoolExecutor(workers) as pool:
                probes = [
                    pool.submit(probe, spec, steps, data, devices[place % len(devices)], threads)
                    for place in range(workers)
                ]
                seconds[kind] = median(one.result().seconds for one in probes)
        ahead = spec.total_steps - run.at
        left += ahead
        hours += ahead * seconds[kind] / 3600 / workers
    return Plan(len(missing), left, workers, seconds, hours, devices[0])


def _time(hours: float) -> str:
    if hours > 48:
        return f"{hours / 24:.1f} days"
    return f"{hours:.1f} hours" if hours > 1 else f"{60 * hours:.1f} minutes"
