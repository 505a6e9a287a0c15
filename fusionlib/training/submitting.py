"""Train many specs at once, each in a process of its own."""

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from fusionlib.errors import FusionError
from fusionlib.progress import progress
from fusionlib.settings import store_root
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.by_ray import POLL_SECONDS, train_by_ray
from fusionlib.training.job import Job
from fusionlib.training.probing import probe
from fusionlib.training.stacked import check_stackable
from fusionlib.training.store import Run, open_run

ENGINES = ("processes", "ray")
SPARE = 0.8  # the part of free memory that trainings may take
MOST_A_GPU = 4  # processes; more only wait for each other


def submit(
    specs: Sequence[AnySpec],
    data: str | Path | None = None,
    engine: str = "processes",
    workers: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    stack: int = 1,
    quiet: bool = False,
) -> list[Run]:
    """Train every spec that has no finished run, several at a time.

    Each training has its own process; what is killed goes on at the next
    call. A failed one does not stop the others: all failures are told at the
    end, each with the command that trains it again.

    Args:
        specs: what to train; one that is named twice is trained once.
        data: folder that holds the datasets; default FUSIONLIB_DATA.
        engine: "processes" on this machine, or "ray" on the machine or the
            cluster that Ray is started on (`pip install 'fusionlib[ray]'`),
            whose nodes share data and store.
        workers: processes at once; None takes as many as cores, GPUs and
            memory have room for, which a probe of a few steps measures. With
            Ray: how many share a GPU.
        threads: of PyTorch in each process; None shares the cores.
        device: "cpu", "cuda", ...; None takes the GPUs in turn where there
            are some.
        stack: trainings of one architecture that a process trains together,
            see `train_stack`; 1 trains each alone.
        quiet: no progress bar.

    Returns the runs, in the order of the specs.

    Raises FusionError for bad arguments, and after all else is trained for
    those that failed.
    """
    if engine not in ENGINES:
        raise FusionError(f"engine is {' or '.join(ENGINES)}, not {engine!r}.")
    for name, value in (("workers", workers), ("threads", threads), ("stack", stack)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise FusionError(f"{name} is 1 or more, not {value!r}.")
    found = {spec.key: open_run(spec) for spec in specs}
    missing = [run for run in found.values() if not run.finished]
    if missing:
        groups = _stacks(missing, stack)
        data = data or os.environ.get("FUSIONLIB_DATA")
        data = str(Path(data).expanduser().resolve()) if data else None
        if engine == "ray":  # it asks its own nodes what is free
            workers, devices = workers or 1, _devices(device)
            threads = threads or max(1, (os.cpu_count() or 1) // len(groups))
        else:
            first = [run.spec for run in groups[0]]
            workers, threads, devices = room(first, len(groups), data, workers, threads, device)
        environment = {
            "OMP_NUM_THREADS": str(threads),
            "FUSIONLIB_STORE": str(store_root().resolve()),
        }
        jobs = [Job(tuple(group), data, environment) for group in groups]
        with _followed(list(found.values()), quiet) as follow:
            if engine == "ray":
                failed = train_by_ray(jobs, threads, workers, devices, follow)
            else:
                failed = _by_processes(jobs, workers, devices, follow)
        if failed:
            raise FusionError(_told(failed, len(jobs)))
    return [found[spec.key] for spec in specs]


def _stacks(runs: list[Run], most: int) -> list[list[Run]]:
    """Runs in groups of at most so many that can train in one stack."""
    groups: list[list[Run]] = []
    for run in runs:
        for group in groups:
            if len(group) < most and _fits(group[0], run):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _fits(one: Run, other: Run) -> bool:
    try:
        check_stackable(one.spec, other.spec)
    except FusionError:
        return False
    return True


def _devices(device: str | None) -> list[str]:
    """The devices that processes take in turn."""
    if device is None and torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [device or "cpu"]


def room(
    first: Sequence[AnySpec],
    jobs: int,
    data: str | Path | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> tuple[int, int, list[str]]:
    """How many processes train at once, with how many threads each, and where.

    As many as fit by cores or GPUs, and by the memory that one takes.

    Args:
        first: what the first process trains; it is probed.
        jobs: processes in all.
        data, workers, threads, device: as `submit`, which asks this.
    """
    devices, cores = _devices(device), os.cpu_count() or 1
    threads = threads or max(1, cores // jobs)
    if workers:
        return workers, threads, devices
    on_gpu = devices[0].startswith("cuda")
    most = min(jobs, MOST_A_GPU * len(devices) if on_gpu else max(1, cores // threads))
    if most == 1:
        return 1, threads, devices
    cost = probe(first, 2, data, devices[0], threads)
    if on_gpu:
        free = min(torch.cuda.mem_get_info(device)[0] for device in devices)
        fitting = int(SPARE * free // cost.peak_bytes) * len(devices)
    else:
        fitting = int(SPARE * psutil.virtual_memory().available // cost.peak_bytes)
    return max(1, min(most, fitting)), threads, devices


def _by_processes(
    jobs: list[Job], workers: int, devices: list[str], follow: Callable[[int], None]
) -> dict[Job, str]:
    """Train all jobs, `workers` at once; job -> why it failed."""
    free = list(range(workers))  # the last that became free is taken first
    running: dict[int, subprocess.Popen] = {}
    lock, failed, stopping = threading.Lock(), {}, threading.Event()

    def work(job: Job) -> None:
        with lock:
            if stopping.is_set():
                return
            place = free.pop()
            device = devices[place % len(devices)]
            running[place] = process = job.start(device)
        code = process.wait()
        with lock:
            del running[place]
            free.append(place)
            if code and not stopping.is_set():
                failed[job] = job.failure(code)

    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(work, job) for job in jobs]
            while not all(future.done() for future in futures):
                follow(len(failed))
                time.sleep(POLL_SECONDS)
            follow(len(failed))
        finally:
            stopping.set()
            with lock:
                for process in running.values():
                    process.terminate()
    for future in futures:
        future.result()
    return failed


def _told(failed: dict[Job, str], jobs: int) -> str:
    lines = [f"{len(failed)} of {jobs} trainings failed; the others are done."]
    for job, reason in failed.items():
        lines += [f"  {job.name}: {reason}", f"    again: {shlex.join(job.command(None))}"]
    return "\n".join(lines)


@contextmanager
def _followed(runs: list[Run], quiet: bool) -> Iterator[Callable[[int], None]]:
    """One bar over the steps of all runs; gives a function that brings it up to date."""
    total = sum(run.spec.total_steps for run in runs)
    with progress(total=total, description=f"train {len(runs)} runs", quiet=quiet) as bar:

        def follow(failed: int) -> None:
            steps = [run.at for run in runs]
            finished = sum(at == run.spec.total_steps for at, run in zip(steps, runs, strict=True))
            fields = {"finished": finished} | ({"failed": failed} if failed else {})
            bar.update(max(0, sum(steps) - bar.n), **fields)

        yield follow
