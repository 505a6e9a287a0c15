"""The run store: a folder a run, named by the hash of its spec.

- spec.json: the specification, with the kind of training where it is not fusion
- provenance.json: versions, device, git commit, date, seconds
- history.csv: every loss term at every step
- step-000020.safetensors, ...: weights at the steps of `spec.snapshots`
- state.pt: what a killed training resumes from; gone when finished
- at: the step that it is at, for other processes to see; gone when finished
- lock: held by the process that trains it
- log: what a process that was started for it had to say
- scores/: metric rows an image, cached by `evaluation`
- fused/: images that a segmenter was shown, cached by `shown`
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.files import write_whole
from fusionlib.settings import store_root
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.segmenter_spec import SegmenterSpec
from fusionlib.training.spec import Spec

KINDS: dict[str, type[AnySpec]] = {kind.kind: kind for kind in (Spec, SegmenterSpec)}


def spec_of(values: dict) -> AnySpec:
    """The spec that plain values describe, by their "kind"; without one a `Spec`.

    Raises FusionError for a kind that this version does not know.
    """
    plain = dict(values)
    kind = plain.pop("kind", Spec.kind)
    if kind not in KINDS:
        raise FusionError(f"There is no training of kind {kind!r}; it is {' or '.join(KINDS)}.")
    return KINDS[kind].from_dict(plain)


@dataclass(frozen=True)
class Run:
    """A training that was made, or is being made: its folder and what is in it."""

    folder: Path

    @property
    def key(self) -> str:
        """The hash of the spec."""
        return self.folder.name

    @cached_property
    def spec(self) -> AnySpec:
        """The specification that the run was made from."""
        return spec_of(json.loads((self.folder / "spec.json").read_text()))

    @property
    def finished(self) -> bool:
        """Whether the last step's weights are there."""
        return self.weights_file(self.spec.total_steps).exists()

    @property
    def provenance(self) -> dict:
        """Versions, device, git commit, dates and seconds of the training."""
        return json.loads((self.folder / "provenance.json").read_text())

    @property
    def busy(self) -> bool:
        """Whether some process trains it at this moment."""
        try:
            with FileLock(self.folder / "lock", timeout=0):
                return False
        except Timeout:
            return True

    def history(self) -> pd.DataFrame:
        """Every loss term at every step: columns step, epoch, terms, total.

        Of a training in progress: up to its checkpoint. Before the first one
        there are no rows, and no terms.

        Raises FusionError for a damaged checkpoint.
        """
        # In this order: the checkpoint goes when the whole history is there.
        if state := self.state():
            return self.table_of(state["losses"].numpy(), state["terms"])
        file = self.folder / "history.csv"
        return pd.read_csv(file) if file.exists() else self.table_of(np.zeros((0, 0)), [])

    def table_of(self, losses: np.ndarray, terms: list[str]) -> pd.DataFrame:
        """Losses (steps, terms) as `history` returns them."""
        steps = np.arange(len(losses))
        table = pd.DataFrame(losses, columns=terms)
        table.insert(0, "epoch", steps // self.spec.steps_per_epoch + 1)
        table.insert(0, "step", steps + 1)
        return table

    def weights_file(self, step: int) -> Path:
        """Where the weights after `step` steps are kept."""
        return self.folder / f"step-{step:06d}.safetensors"

    @property
    def state_file(self) -> Path:
        """What a killed training resumes from; gone when the run is finished."""
        return self.folder / "state.pt"

    def state(self, device: str | None = None) -> dict | None:
        """What the checkpoint holds; None where there is none.

        device: where its tensors are needed; None leaves them in the file
            until they are looked at, for readers of a part.

        Raises FusionError for a damaged file.
        """
        file, place = self.state_file, {"map_location": device or "cpu", "mmap": device is None}
        try:
            return torch.load(file, weights_only=True, **place)
        except FileNotFoundError:
            return None
        except Exception as error:  # torch raises a kind of its own for each damage
            raise FusionError(
                f"{file} can't be read ({str(error).splitlines()[0]}): delete it to train anew."
            ) from error

    @property
    def at(self) -> int:
        """The step that is reached; of a training in progress a second ago."""
        if self.finished:
            return self.spec.total_steps
        try:
            return int((self.folder / "at").read_text())
        except (OSError, ValueError):  # not begun, or being written
            return max(self.steps, default=0)

    def note_step(self, step: int | None) -> None:
        """Let other processes see how far a training is; None takes it away."""
        if step is None:
            (self.folder / "at").unlink(missing_ok=True)
        else:
            (self.folder / "at").write_text(str(step))

    def forget_state(self) -> None:
        """Take away what only a training in progress needs."""
        self.state_file.unlink(missing_ok=True)
        self.note_step(None)

    @property
    def steps(self) -> list[int]:
        """Steps whose weights are there."""
        return sorted(int(file.stem[5:]) for file in self.folder.glob("step-*.safetensors"))

    def model(self, step: int | None = None) -> nn.Module:
        """The network after `step` steps (default: the last), in eval mode.

        Raises FusionError where that step was not kept.
        """
        step = self.spec.total_steps if step is None else step
        if not self.weights_file(step).exists():
            raise FusionError(
                f"Run {self.key} holds no weights of step {step}; it holds steps {self.steps}."
            )
        model = self.spec.network()
        model.load_state_dict(load_file(self.weights_file(step)))
        return model.eval()

    def save_weights(self, model: nn.Module, step: int) -> None:
        """Keep the weights after `step` steps."""
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        content = save(weights)
        write_whole(self.weights_file(step), lambda path: path.write_bytes(content))


def open_run(spec: AnySpec, store: Path | None = None) -> Run:
    """The run of this spec; its folder and spec.json are made if they are not there.

    store: where runs lie; default FUSIONLIB_STORE, else the user's cache.

    Where the images of the spec have moved, spec.json is written anew.

    Raises FusionError where the folder holds a run of other values: a default
    that was another one when it was made is not part of the key.
    """
    run = Run((store or store_root()) / spec.key)
    file = run.folder / "spec.json"
    if not file.exists() or (run.spec == spec and run.spec.to_dict() != spec.to_dict()):
        text = json.dumps(spec.to_dict(), indent=1)
        write_whole(file, lambda path: path.write_text(text))
        return Run(run.folder)
    if run.spec != spec:
        raise FusionError(
            f"{run.folder} was made from other values, by a version with other defaults: move "
            "it away, or set FUSIONLIB_STORE to another folder."
        )
    return run


def finished_run(key: str, kind: str) -> Run:
    """The finished run of a key, on which another training builds.

    Raises FusionError where there is none, or one of another kind.
    """
    run = Run(store_root() / key)
    if not (run.folder / "spec.json").is_file():
        raise FusionError(f"There is no run {key} in {store_root()}: train it first.")
    if run.spec.kind != kind:
        raise FusionError(f"Run {key} is a {run.spec.kind}, not a {kind}: name another run.")
    if not run.finished:
        raise FusionError(
            f"Run {key} is at step {run.at:,} of {run.spec.total_steps:,}: train it to its end"
            " first."
        )
    return run


def runs() -> list[Run]:
    """All runs in the store, oldest first."""
    files = sorted(store_root().glob("*/spec.json"), key=lambda file: file.stat().st_mtime)
    return [Run(file.parent) for file in files]
