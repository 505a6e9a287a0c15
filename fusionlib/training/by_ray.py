"""Ray as an engine of `submit`: one machine or a cluster, fractional GPUs."""

import os
from collections.abc import Callable

from fusionlib.errors import FusionError
from fusionlib.training.job import Job

POLL_SECONDS = 0.5


def train_by_ray(
    jobs: list[Job],
    threads: int,
    share: int,
    devices: list[str],
    follow: Callable[[int], None],
) -> dict[Job, str]:
    """Train each job in a Ray task; job -> why it failed.

    Args:
        jobs: what `submit` made of its specs.
        threads: cores that a task takes.
        share: tasks that share a GPU.
        devices: ["cpu"] asks for no GPU.
        follow: called every half second with the number of failures so far.

    Ray is joined where it runs (RAY_ADDRESS) and started here otherwise, with
    what it finds on this machine.
    """
    try:
        import ray
    except ImportError:
        raise FusionError(
            "engine='ray' needs Ray: pip install 'fusionlib[ray]', or take engine='processes'."
        ) from None
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    on_gpu = devices[0].startswith("cuda")
    options = dict(
        num_cpus=threads,
        num_gpus=1 / share if on_gpu else 0,
        max_retries=0,  # a run goes on from its checkpoint at the next call
        max_calls=1,  # each in a process of its own
    )
    task = ray.remote(**options)(_work)
    failed = {}
    try:
        waiting = {task.remote(job, "cuda" if on_gpu else "cpu"): job for job in jobs}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=POLL_SECONDS)
            for reference in done:
                job = waiting.pop(reference)
                try:
                    reason = ray.get(reference)
                except ray.exceptions.RayError as error:
                    reason = str(error).strip().splitlines()[-1]
                if reason:
                    failed[job] = reason
            follow(len(failed))
    finally:
        if started:
            ray.shutdown()
    return failed


def _work(job: Job, device: str) -> str | None:
    """Train a job in this process; why it failed, or None."""
    from fusionlib.training.recipes import train
    from fusionlib.training.stacked import train_stack

    # Ray has given the process its threads already.
    os.environ["FUSIONLIB_STORE"] = job.environment["FUSIONLIB_STORE"]
    specs = [run.spec for run in job.runs]
    try:
        if len(specs) > 1:
            train_stack(specs, job.data, device, quiet=True)
        else:
            train(specs[0], job.data, device, quiet=True)
    except FusionError as error:
        return str(error)
    return None
