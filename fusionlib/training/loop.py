"""The loop that every recipe shares: draws, checkpoints, snapshots, history.

The base stays on the device and a step gathers its batch by index. Losses are
written to a table on the device and fetched only when a checkpoint is due, so
that no step waits for the host.
"""

import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fusionlib.data.base import Base, load_base
from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.memory import keep_freed_memory
from fusionlib.pairing import Draw
from fusionlib.precision import computed
from fusionlib.progress import progress
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.diverging import failure
from fusionlib.training.provenance import provenance
from fusionlib.training.stops import Stops
from fusionlib.training.store import Run
from fusionlib.training.team import Team

CHECKPOINT_SECONDS = 60
NOTE_SECONDS = 1


class Training(ABC):
    """The state of one training: networks, optimisers, draws, history.

    A recipe is a subclass with `learn(shards)`, which takes one step on the
    parts of a batch that are this process's own and returns its terms, named
    scalars of the whole batch. What its step changes besides the model and
    its optimiser is what `more_parts` returns.
    """

    watched = "total"  # the term that tells whether it diverges

    def __init__(
        self,
        run: Run,
        base: Base,
        device: str,
        team: Team | None = None,
        compiled: bool = False,
    ):
        spec = run.spec
        self.run, self.spec, self.device, self.team = run, spec, device, team or Team()
        self.compiled = compiled
        self.precision = computed(spec.precision, device)
        keep_freed_memory()
        self.base = base.to(device)
        self.draw = self.draws()
        torch.manual_seed(spec.seed)
        self.model = self.network().to(device).train()
        self.optimiser = self.adam(self.model)
        # What a checkpoint holds: everything that a step changes.
        self.parts = {"model": self.model, "optimiser": self.optimiser, **self.more_parts()}
        self.step, self.seconds = 0, 0.0
        self.kept_step = 0  # of the checkpoint
        self.stacked = 1  # trainings that step together with this one, itself included
        self.terms: list[str] = []
        self.losses = torch.zeros(spec.total_steps, 0, device=device)
        self.epoch_pairs: Tensor | None = None
        self.shown: Sequence[Tensor] = ()  # the pairs of the step's parts, (B, 2) each
        if self.run.state_file.exists():
            self._resume()

    @classmethod
    def load(cls, spec: AnySpec, data: str | Path | None, device: str, quiet: bool) -> Base:
        """What the batches are gathered from, on the CPU."""
        return load_base(spec.ir, spec.vi, data)

    def draws(self) -> Draw:
        """Which of the base an epoch meets."""
        spec, base = self.spec, self.base
        return Draw(spec.relation, len(base.ir), len(base.vi), spec.pairs, spec.seed, spec.redraw)

    def network(self) -> nn.Module:
        """The network before its first step."""
        return self.spec.network()

    def run_to_end(self, on_snapshot, quiet: bool, seconds: float | None = None) -> None:
        """Step until the spec's last step, with checkpoints and snapshots."""
        with Stops() as stops, self.kept(on_snapshot, quiet, seconds) as keep:
            while not self.done:
                self.one_step()
                stopping = stops.came
                keep(stopping)
                if stopping:
                    stops.act()

    @property
    def done(self) -> bool:
        """Whether no step is left to take."""
        return self.over or self.step == self.spec.total_steps

    @property
    def over(self) -> bool:
        """Whether it ends early; its weights are kept as those of the spec's last step."""
        return False

    @property
    def kept_as(self) -> int:
        """The step that the weights are those of."""
        return self.spec.total_steps if self.over else self.step

    @contextmanager
    def kept(
        self, on_snapshot, quiet: bool, seconds: float | None = None
    ) -> Iterator[Callable[[bool], None]]:
        """Gives a function to call after each step, which keeps what is due.

        Its argument: whether the process is about to stop, so that a checkpoint
        is due at once. seconds: between checkpoints.
        """
        seconds = CHECKPOINT_SECONDS if seconds is None else seconds
        spec, snapshots = self.spec, set(self.spec.snapshots)
        began = saved = noted = time.monotonic()
        before, record = self.seconds, provenance(self.device)
        quiet = quiet or not self.team.leads

        def keep(stopping: bool) -> None:
            nonlocal saved, noted
            bar.update(self.step - bar.n)
            now = time.monotonic()
            self.seconds = before + now - began
            if not self.team.leads:
                return
            if stopping or now - noted > NOTE_SECONDS:
                self.run.note_step(self.step)
                noted = now
            if stopping or self.kept_as in snapshots or now - saved > seconds:
                bar.update(0, loss=float(self._fetched()[-1, self.terms.index("total")]))
                self._checkpoint()
                saved = now
            if self.kept_as in snapshots:
                self._keep_snapshot(record, on_snapshot)

        with progress(total=spec.total_steps, description=spec.title, quiet=quiet) as bar:
            bar.update(self.step)
            if self.kept_as in snapshots and self.team.leads:
                # It was killed between the checkpoint and these weights.
                self._keep_snapshot(record, on_snapshot)
            yield keep

    def one_step(self) -> None:
        """One batch: gather it, learn from it, note the terms."""
        self.note(self.learn(self.next_batch()))

    def next_batch(self) -> list[tuple[Tensor, Tensor]]:
        """The next batch of the draws: this process's shards of it."""
        spec = self.spec
        epoch, place = divmod(self.step, spec.steps_per_epoch)
        if self.epoch_pairs is None or place == 0:
            self.epoch_pairs = torch.from_numpy(self.draw.epoch(epoch)).to(self.device)
        batch = self.epoch_pairs[place * spec.batch : (place + 1) * spec.batch]
        self.shown = batch.chunk(spec.shards)[self.team.rank :: self.team.size]
        return [self.base.gather(part) for part in self.shown]

    def note(self, terms: dict[str, Tensor]) -> None:
        """Write a step's terms down: the step is taken."""
        if not self.terms:
            self.terms = list(terms)
            self.losses = self.losses.new_zeros(self.spec.total_steps, len(terms))
        self.losses[self.step] = torch.stack([term.detach() for term in terms.values()])
        self.step += 1

    @abstractmethod
    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """One step on this process's parts, (B, 1, P, P) each; returns the batch's terms."""

    def together(
        self, networks: Iterable[nn.Module], parts: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """The terms of the batch from those of this process's parts.

        The networks' gradients, one over `spec.shards` of each part's sum,
        become those of the batch.
        """
        terms = torch.stack([torch.stack(list(part.values())) for part in parts]).detach()
        weights = (weight for network in networks for weight in network.parameters())
        terms = self.team.sum(weights, terms.sum(0) / self.spec.shards)
        return dict(zip(parts[0], terms, strict=True))

    def quicker(self, function: Callable) -> Callable:
        """The function, compiled where that was asked for.

        On a GPU kernels are also replayed as CUDA graphs, because to start
        them takes longer than most of them run.
        """
        if not self.compiled:
            return function
        on_gpu = torch.device(self.device).type == "cuda"
        return torch.compile(function, mode="reduce-overhead" if on_gpu else None)

    def more_parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Networks and optimisers that a recipe adds, by name.

        Whatever has `state_dict` and `load_state_dict` will do.
        """
        return {}

    @property
    def turns(self) -> tuple[int, ...]:
        """Steps with which another objective begins, in order."""
        return ()

    def adam(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of the released code."""
        return torch.optim.Adam(network.parameters(), lr=self.spec.lr, fused=True)

    def autocast(self) -> torch.autocast:
        """The precision for networks; losses stay in float32."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bfloat16")

    def _fetched(self) -> np.ndarray:
        # Losses so far; the one place where the host waits for the device.
        losses = self.losses[: self.step].cpu().numpy()
        failed = failure(losses, self.terms.index(self.watched), self.turns)
        if failed:
            what, step = failed
            values = ", ".join(f"{t} {v:g}" for t, v in zip(self.terms, losses[step], strict=True))
            raise FusionError(
                f"The loss of run {self.run.key} {what} from step {step + 1} on ({values});"
                f" {self._last_good()}"
            )
        return losses

    def _last_good(self) -> str:
        kept = f"step {self.kept_step} ({self.run.state_file})" if self.kept_step else "none"
        return (
            f"its last good checkpoint: {kept}, its last weights: step"
            f" {max(self.run.steps, default=0)}. Try a smaller lr or precision='float32'."
        )

    def _checkpoint(self) -> None:
        # A finite loss may have an infinite gradient; such weights are not kept.
        networks = [part for part in self.parts.values() if isinstance(part, nn.Module)]
        if not all(v.isfinite().all() for part in networks for v in part.state_dict().values()):
            raise FusionError(
                f"The weights of run {self.run.key} are not finite after step {self.step}; "
                + self._last_good()
            )
        state = {
            **{name: part.state_dict() for name, part in self.parts.items()},
            "random": torch.get_rng_state(),
            "terms": self.terms,
            "losses": self.losses[: self.step].clone(),
            "step": self.step,
            "seconds": self.seconds,
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self.run.state_file, lambda path: path.write_bytes(content.getbuffer()))
        self.kept_step = self.step

    def _resume(self) -> None:
        state = self.run.state(self.device)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"].cpu())
        self.step, self.seconds, self.terms = state["step"], state["seconds"], state["terms"]
        self.losses = self.losses.new_zeros(self.spec.total_steps, len(self.terms))
        self.losses[: self.step] = state["losses"]
        self.kept_step = self.step

    def _keep_snapshot(self, record: dict, on_snapshot) -> None:
        step = self.kept_as
        if self.run.weights_file(step).exists():
            return
        if self.done:
            self._finish(record)
        self.run.save_weights(self.model, step)
        if on_snapshot:
            on_snapshot(self.run, step)

    def _finish(self, record: dict) -> None:
        # Before the last weights, which say that the run is finished.
        history = self.run.table_of(self._fetched(), self.terms)
        write_whole(
            self.run.folder / "history.csv",
            lambda path: history.to_csv(path, index=False, float_format="%.9g"),
        )
        record = {**record, "seconds": round(self.seconds, 1), "steps": self.step}
        record["processes"], record["stacked"] = self.team.size, self.stacked
        record["compiled"], record["precision"] = self.compiled, self.precision
        text = json.dumps(record, indent=1)
        write_whole(self.run.folder / "provenance.json", lambda path: path.write_text(text))
