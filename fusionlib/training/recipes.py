"""`train(spec)`: the recipe that a spec asks for, run once and kept."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from filelock import FileLock

from fusionlib.errors import FusionError
from fusionlib.losses import CDDFuseLoss, MMDRFuseLoss, RegionFuseLoss, TGFuseLoss
from fusionlib.training.adversarial import AdversarialTraining
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.cddfuse import CDDFuseTraining
from fusionlib.training.loop import Training
from fusionlib.training.mmdrfuse import MMDRFuseTraining
from fusionlib.training.plain import PlainTraining
from fusionlib.training.regionfuse import RegionFuseTraining
from fusionlib.training.segmenter import SegmenterTraining
from fusionlib.training.segmenter_spec import SegmenterSpec
from fusionlib.training.ssvif import SSVIFTraining
from fusionlib.training.store import Run, open_run
from fusionlib.training.team import Team
from fusionlib.training.tgfuse import TGFuseTraining

# Losses that need more than a fused image, or an optimiser of their own.
RECIPES: dict[type, type[Training]] = {
    CDDFuseLoss: CDDFuseTraining,
    MMDRFuseLoss: MMDRFuseTraining,
    RegionFuseLoss: RegionFuseTraining,
    TGFuseLoss: TGFuseTraining,
}


def recipe_of(spec: AnySpec) -> type[Training]:
    """The training that a spec asks for, by its kind, what stands beside the model, its loss."""
    if isinstance(spec, SegmenterSpec):
        return SegmenterTraining
    if spec.consistency:
        return SSVIFTraining
    return AdversarialTraining if spec.adversarial else RECIPES.get(type(spec.loss), PlainTraining)


def train(
    spec: AnySpec,
    data: str | Path | None = None,
    device: str | None = None,
    on_snapshot: Callable[[Run, int], object] | None = None,
    quiet: bool = False,
    compiled: bool = False,
    checkpoint_seconds: float | None = None,
) -> Run:
    """Train `spec`, or return its run at once if it was trained before.

    A training that was killed goes on from its last checkpoint and ends with
    the same weights, bit for bit on the CPU with the same number of threads.
    One that is asked to stop (Ctrl-C, SIGTERM) ends its step and writes a
    checkpoint first; asked twice, it stops at once.

    Args:
        spec: what to train.
        data: folder that holds the datasets; default FUSIONLIB_DATA.
        device: "cpu", "cuda", ...; default CUDA where there is one.
        on_snapshot: called as on_snapshot(run, step) when a snapshot has been
            written, for example to score it while the training goes on.
        quiet: no progress bar.
        compiled: compile the network and the loss (`torch.compile`; on a GPU
            with CUDA graphs). It changes rounding alone. On a GPU steps get
            shorter; on the CPU they do not, and the first takes a minute.
        checkpoint_seconds: between checkpoints, besides those of snapshots;
            None takes a minute.

    Under torchrun (`python -m fusionlib.training` does the joining) the
    processes share the spec's shards, and rank 0 alone writes.

    Raises FusionError for a base that does not fit the spec, for processes
    that its shards can't be shared among, and where the
    loss is not finite: the message names the step and the terms.
    """
    if compiled and recipe_of(spec) is not PlainTraining:
        raise FusionError(
            "compiled=True is for plain trainings: a spec with critics or with phases, or of"
            " a segmenter, trains eager."
        )
    run, team = open_run(spec), Team()
    if spec.shards % team.size:
        raise FusionError(
            f"{team.size} processes can't share the {spec.shards} shards of run {run.key} evenly:"
            f" give the spec shards={team.size}, or start as many processes as it has."
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    # A second process that asks for the same spec waits here, then finds it
    # finished; the lock of a process that died is free.
    with FileLock(run.folder / "lock") if team.leads else nullcontext():
        if not team.told(run.finished if team.leads else None, device):
            recipe = recipe_of(spec)
            base = recipe.load(spec, data, device, quiet or not team.leads)
            training = recipe(run, base, device, team, compiled)
            team.wait()  # all have read the checkpoint before one writes the next
            training.run_to_end(on_snapshot, quiet, checkpoint_seconds)
        team.wait()
        if team.leads:
            run.forget_state()
    return run
