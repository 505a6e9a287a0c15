"""`train(spec)`: the recipe that a spec asks for, run once and kept."""

from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock

from fusionlib.data.base import load_base
from fusionlib.training.adversarial import AdversarialTraining
from fusionlib.training.plain import PlainTraining
from fusionlib.training.spec import Spec
from fusionlib.training.store import Run, open_run


def train(
    spec: Spec,
    data: str | Path | None = None,
    device: str | None = None,
    on_snapshot: Callable[[Run, int], object] | None = None,
    quiet: bool = False,
) -> Run:
    """Train `spec`, or return its run at once if it was trained before.

    A training that was killed goes on from its last checkpoint and ends with
    the same weights, bit for bit on the CPU with the same number of threads.

    Args:
        spec: what to train.
        data: folder that holds the datasets; default FUSIONLIB_DATA.
        device: "cpu", "cuda", ...; default CUDA where there is one.
        on_snapshot: called as on_snapshot(run, step) when a snapshot has been
            written, for example to score it while the training goes on.
        quiet: no progress bar.

    Raises FusionError for a base that does not fit the spec, and where the
    loss is not finite: the message names the step and the terms.
    """
    run = open_run(spec)
    # A second process that asks for the same spec waits here, then finds it
    # finished; the lock of a process that died is free.
    with FileLock(run.folder / "lock"):
        if not run.finished:
            device = device or ("cuda" if torch.cuda.is_available() else "cpu")
            recipe = AdversarialTraining if spec.adversarial else PlainTraining
            recipe(run, load_base(spec.ir, spec.vi, data), device).run_to_end(on_snapshot, quiet)
        run.state_file.unlink(missing_ok=True)
    return run
