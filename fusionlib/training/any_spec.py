"""What the specifications of every kind of training have in common."""

import dataclasses
import hashlib
import json
import re
from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from fusionlib.errors import FusionError

PRECISIONS = ("float32", "bfloat16")


class AnySpec(ABC):
    """A frozen dataclass that fixes everything that can change a number.

    Every kind has the fields `epochs`, `steps`, `batch`, `lr`, `seed`,
    `precision` and `shards`, and says by the members below what the loop, the
    store and the planning ask.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""

    @property
    @abstractmethod
    def snapshots(self) -> tuple[int, ...]:
        """Steps whose weights are kept, the last one among them."""

    @property
    @abstractmethod
    def key(self) -> str:
        """12 hex digits that name the run."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a progress bar calls the training."""

    @property
    @abstractmethod
    def listed(self) -> str:
        """One line for `fusionlib runs list`."""

    @property
    @abstractmethod
    def step_kind(self) -> str:
        """What a step's time depends on, such as "bsp-cnn float32 8x128x128"."""

    @property
    @abstractmethod
    def brief(self) -> dict:
        """What a notebook's record tells of the run beside its key and steps."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The network that is trained, with freshly drawn weights."""

    @abstractmethod
    def to_dict(self) -> dict:
        """Plain values, for JSON."""

    @classmethod
    @abstractmethod
    def from_dict(cls, values: dict) -> "AnySpec":
        """The spec that `to_dict` described, also after a way through JSON."""

    @property
    def total_steps(self) -> int:
        """Optimisation steps of the whole training."""
        return self.steps if self.epochs is None else self.epochs * self.steps_per_epoch

    def check_course(self) -> None:
        """Raise FusionError for a length, a seed or parts of a batch that can't be."""
        if (self.epochs is None) == (self.steps is None):
            raise FusionError("A spec takes either epochs or steps, one of the two.")
        if self.seed < 0:
            raise FusionError(f"seed is 0 or more, not {self.seed}.")
        if self.precision not in PRECISIONS:
            raise FusionError(
                f"precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}."
            )
        if self.shards < 1 or self.batch % self.shards:
            raise FusionError(
                f"shards={self.shards} does not divide batch={self.batch} into equal parts."
            )
        if self.total_steps < 1:
            raise FusionError(f"A training needs at least one step, not {self.total_steps}.")


def chosen(value) -> dict:
    """The fields of a dataclass that are not at their default, and theirs in turn.

    Those that equality passes over, such as the place of a folder, are left out.
    """
    found = {}
    for item in dataclasses.fields(value):
        if not item.compare:
            continue
        here = getattr(value, item.name)
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if here == default:
            continue
        found[item.name] = chosen(here) if dataclasses.is_dataclass(here) else here
    return found


def is_key(text: str) -> bool:
    """Whether a text has the form of a run's key."""
    return re.fullmatch("[0-9a-f]{12}", text) is not None


def key_of(values: dict) -> str:
    """12 hex digits of plain values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
