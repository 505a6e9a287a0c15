"""Several trainings at once in one process: their networks stacked into one.

Batches of eight patches do not fill a GPU. Networks of one architecture that
train on batches of one size are stacked along a new first axis, and one call
computes the losses and gradients of all. Each keeps its own draws, optimiser,
history, checkpoints and folder, as if it trained alone.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor
from torch.func import functional_call, vmap

from fusionlib.data.base import load_base
from fusionlib.errors import FusionError
from fusionlib.models import MODELS
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.plain import PlainTraining
from fusionlib.training.recipes import recipe_of
from fusionlib.training.spec import Spec
from fusionlib.training.stops import Stops
from fusionlib.training.store import Run, open_run


def train_stack(
    specs: Sequence[Spec],
    data: str | Path | None = None,
    device: str | None = None,
    quiet: bool = False,
) -> list[Run]:
    """Train several specs at once in this process, their networks stacked.

    Each becomes a run of its own, as if `train` had made it; finished ones
    are left alone. It pays on a GPU, which one batch of eight patches does
    not fill.

    Args: as `train`. The specs may differ in base, relation, T, length, seed
        and learning rate, but not in what `check_stackable` compares.

    Raises FusionError as `train` does, and for specs that can't be stacked.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    for spec in specs:
        check_stackable(specs[0], spec)
    # In one order everywhere, so that two processes never wait for each other.
    found = dict(sorted((spec.key, open_run(spec)) for spec in specs))
    with ExitStack() as held:
        for run in found.values():
            held.enter_context(FileLock(run.folder / "lock"))
        missing = [run for run in found.values() if not run.finished]
        # Runs of one base share it: the widest of the papers takes half a gigabyte.
        sources = {(run.spec.ir, run.spec.vi) for run in missing}
        bases = {pair: load_base(*pair, data).to(device) for pair in sources}
        trainings = [PlainTraining(run, bases[run.spec.ir, run.spec.vi], device) for run in missing]
        _to_the_end(trainings, quiet)
        for run in missing:
            run.forget_state()
    return [found[spec.key] for spec in specs]


def _to_the_end(trainings: list[PlainTraining], quiet: bool) -> None:
    with ExitStack() as kept:
        stops = kept.enter_context(Stops())
        keeps = {id(one): kept.enter_context(one.kept(None, quiet)) for one in trainings}
        while left := [one for one in trainings if not one.done]:
            # A shorter one ends earlier. After a kill some may be a checkpoint behind: they
            # catch up first.
            behind = min(one.step for one in left)
            now = [one for one in left if one.step == behind]
            ends = min([one.spec.total_steps for one in now])
            ahead = [one.step for one in left if one.step > behind]
            until = min([ends, *ahead])
            stack = Stack(now)
            while now[0].step < until:
                stack.one_step()
                stopping = stops.came
                for one in now:
                    keeps[id(one)](stopping)
                if stopping:
                    stops.act()


class Stack:
    """Plain trainings that step together.

    Args:
        trainings: at the same step, on one device.

    Raises FusionError for trainings that can't be stacked.
    """

    def __init__(self, trainings: list[PlainTraining]):
        first, *others = trainings
        for other in others:
            check_stackable(first.spec, other.spec)
        self.trainings, self.first = trainings, first
        for training in trainings:
            training.stacked = max(training.stacked, len(trainings))
        self.weights = _stacked([dict(t.model.named_parameters()) for t in trainings])
        self.buffers = _stacked([dict(t.model.named_buffers()) for t in trainings])
        for name, weight in self.weights.items():
            weight.requires_grad_().grad = torch.zeros_like(weight)
            for index, training in enumerate(trainings):
                training.model.get_parameter(name).grad = weight.grad[index]

    def one_step(self) -> None:
        """One step of every training."""
        batches = [training.next_batch() for training in self.trainings]
        ir, vi = (torch.stack([batch[0][side] for batch in batches]) for side in (0, 1))
        for weight in self.weights.values():
            weight.grad.zero_()
        terms = vmap(self._terms)(self.weights, self.buffers, ir, vi)
        terms["total"].sum().backward()
        for index, training in enumerate(self.trainings):
            training.optimiser.step()
            training.note({name: values[index] for name, values in terms.items()})

    def _terms(self, weights, buffers, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        with self.first.autocast():
            fused = functional_call(self.first.model, (weights, buffers), (ir, vi))
        return self.first.spec.loss(fused, ir, vi)


def check_stackable(one: AnySpec, other: AnySpec) -> None:
    """See that two specs can train in one stack; FusionError names what differs."""
    for spec in (one, other):
        if not isinstance(spec, Spec):
            raise FusionError(f"Run {spec.key} trains a segmenter: those are not stacked.")
    for name in ("model", "options", "channels", "batch", "precision", "loss"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            raise FusionError(
                f"Runs {one.key} and {other.key} can't train in one stack: their {name} differs "
                f"({mine} and {theirs})."
            )
    if one.ir.patch != other.ir.patch:
        raise FusionError(f"Runs {one.key} and {other.key} have patches of two sizes.")
    for spec in (one, other):
        if getattr(MODELS[spec.model], "stochastic", False):
            raise FusionError(
                f"Run {spec.key} can't train in a stack: {spec.model} draws at random inside."
            )
        if recipe_of(spec) is not PlainTraining or spec.shards > 1:
            raise FusionError(
                f"Run {spec.key} has critics or shards, or a recipe of its own, which are not"
                " stacked."
            )


def _stacked(tensors: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The networks' tensors in one each; the networks keep views of it.

    So an optimiser that moves a network's weight moves the stack's.
    """
    stacked = {}
    for name in tensors[0]:
        stacked[name] = torch.stack([own[name].detach() for own in tensors])
        for index, own in enumerate(tensors):
            own[name].data = stacked[name][index]
    return stacked
