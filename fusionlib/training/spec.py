"""The specification of a fusion training: everything that can change a number."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from fusionlib.data.base import PatchSource
from fusionlib.errors import FusionError
from fusionlib.losses import FOR_ALL, LOSSES, Adversarial, BSPLoss, Loss, default_loss
from fusionlib.models import MODELS, create_model
from fusionlib.models.registry import check_model
from fusionlib.pairing import RELATIONS
from fusionlib.training.any_spec import AnySpec, chosen, key_of
from fusionlib.training.consistency import Consistency


@dataclass(frozen=True)
class Spec(AnySpec):
    """One training; `train(spec)` makes it, or returns it if it was made.

    Args:
        model: a name that `create_model` knows.
        ir, vi: the base, one source of patches a modality.
        relation: "strict", "unpaired" or "arbitrary".
        pairs: T, pairs drawn an epoch.
        epochs, steps: how long; give one of the two. An epoch has
            T // batch steps: the incomplete batch is dropped, as in the
            released code, so T = 150 gives 18 steps of 8.
        redraw: new pairs each epoch (released code), or the same in new order.
        seed: of the weights and of the draws.
        loss: the objective; None takes the one that was published with the
            model. Those in `FOR_ALL` train every model. Where a spec is copied for
            another model, the loss goes along.
        batch, lr: batch size and Adam's learning rate.
        precision: "float32", or "bfloat16" for the network under autocast
            (weights, losses and Adam stay float32) on devices that are made for
            it; the others are quicker in float32, and the run's provenance
            says which it was.
        channels: of each source and of the fused image: 3 take visible patches
            in colour, and each infrared one three times.
        adversarial: the critics of an adversarial training; None trains
            without, but "bsp-gan" takes `Adversarial()` of itself.
        consistency: SSVIF's segmentations beside the fusion, and its stages;
            None trains without.
        options: further arguments of the model, a mapping such as
            {"region": 16}; see `create_model`.
        shards: equal parts of a batch that are learnt from apart, their
            gradients averaged: batch statistics (of batch norms and of the
            loss) are those of a part. Several processes share a training by
            its shards; one process computes the same, one after another.

    Raises FusionError for values that can't be trained.
    """

    kind = "fusion"

    model: str
    ir: PatchSource
    vi: PatchSource
    relation: str
    pairs: int
    epochs: int | None = None
    steps: int | None = None
    redraw: bool = True
    seed: int = 0
    loss: Loss | None = None
    batch: int = 8
    lr: float = 1e-4
    precision: str = "float32"
    channels: int = 1
    adversarial: Adversarial | None = None
    shards: int = 1
    consistency: Consistency | None = None
    options: tuple[tuple[str, object], ...] = ()

    def __post_init__(self):
        # Sorted pairs: a mapping could not be part of a frozen value, nor would its order matter.
        object.__setattr__(self, "options", _as_options(self.options))
        if self.model == "bsp-gan" and self.adversarial is None:
            object.__setattr__(self, "adversarial", Adversarial())
        if self.loss is None:
            object.__setattr__(self, "loss", default_loss(self.model))
        if self.model not in MODELS:
            raise FusionError(
                f"There is no model {self.model!r}; it is one of {', '.join(MODELS)}."
            )
        if self.relation not in RELATIONS:
            raise FusionError(
                f"There is no relation {self.relation!r}; it is one of {', '.join(RELATIONS)}."
            )
        check_model(self.model, self.channels, dict(self.options))
        kinds = dict.fromkeys((type(default_loss(self.model)), *FOR_ALL))
        if type(self.loss) not in kinds:
            raise FusionError(
                f"The loss of a spec for {self.model} is a"
                f" {' or '.join(kind.__name__ for kind in kinds)}, not a"
                f" {type(self.loss).__name__}."
            )
        if self.adversarial is not None and not isinstance(self.adversarial, Adversarial):
            kind = type(self.adversarial).__name__
            raise FusionError(f"adversarial of a spec is an Adversarial or None, not a {kind}.")
        if self.adversarial and not isinstance(self.loss, BSPLoss):
            raise FusionError(
                f"Critics stand beside a BSPLoss, not beside a {type(self.loss).__name__}."
            )
        if self.adversarial and self.channels != 1:
            raise FusionError("The critics see grey images: an adversarial spec takes channels=1.")
        if self.ir.patch != self.vi.patch:
            raise FusionError(
                f"Both modalities need patches of one size, not {self.ir.patch} and"
                f" {self.vi.patch}."
            )
        if self.vi.colour != (self.channels == 3):
            raise FusionError(
                f"channels={self.channels} does not fit vi.colour={self.vi.colour}: three channels"
                " take visible patches in colour, one channel grey ones."
            )
        if self.relation == "strict" and _places(self.ir) != _places(self.vi):
            raise FusionError(
                "A strict relation needs the same images and the same cut of both modalities."
            )
        if not 0 < self.batch <= self.pairs:
            raise FusionError(
                f"batch={self.batch} does not fit pairs={self.pairs}: an epoch needs a whole batch."
            )
        self.check_course()
        if self.consistency:
            self.consistency.check(self)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the T pairs of an epoch."""
        return self.pairs // self.batch

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Steps whose weights are kept: 20, 40, 80, ..., every twelfth, the last.

        The doubling steps show the start, where the network changes quickly
        (Figure 3 of Beyond Strict Pairing shows 20 and 80).
        Of a network of hundreds of megabytes the last weights alone are kept.
        """
        total = self.total_steps
        if getattr(MODELS[self.model], "heavy", False):
            return (total,)
        doubling = [20 * 2**k for k in range(20) if 20 * 2**k < total]
        return tuple(sorted({*doubling, *(round(total * k / 12) for k in range(1, 13))} - {0}))

    @property
    def key(self) -> str:
        """12 hex digits that name the run.

        A field at its default is left out of the hash, so that a field that a
        later version adds does not rename the runs that were made before it. So
        is the loss where it is the model's own, and its kind where that is.
        """
        values, usual = chosen(self), default_loss(self.model)
        if self.loss == usual:
            del values["loss"]
        elif type(self.loss) is not type(usual):
            values["loss"]["kind"] = type(self.loss).__name__
        return key_of(values)

    @property
    def title(self) -> str:
        return f"{self.model} {self.relation} T={self.pairs} seed {self.seed}"

    @property
    def listed(self) -> str:
        return (
            f"{self.model}  {self.relation:9}  T {self.pairs:6,}  {self.ir.where}"
            f"  {self.total_steps:,} steps  seed {self.seed}"
        )

    @property
    def step_kind(self) -> str:
        beside = " with critics" if self.adversarial else ""
        if self.consistency:
            beside = f" with segformer-{self.consistency.segmenter}"
        chosen = "".join(f" {name}={value}" for name, value in self.options)
        size = f"{self.batch}x{self.ir.patch}x{self.ir.patch}"
        return f"{self.model}{chosen}{beside} {self.precision} {size}"

    @property
    def brief(self) -> dict:
        names = ("model", "seed", "relation", "pairs")
        told = {name: getattr(self, name) for name in names}
        return told | ({"options": dict(self.options)} if self.options else {})

    def network(self) -> nn.Module:
        return create_model(self.model, self.channels, **dict(self.options))

    def to_dict(self) -> dict:
        """Plain values, for JSON; a loss other than BSPLoss says its kind."""
        values = dataclasses.asdict(self)
        if type(self.loss) is not BSPLoss:
            values["loss"]["kind"] = type(self.loss).__name__
        return values

    @classmethod
    def from_dict(cls, values: dict) -> "Spec":
        """The spec that `to_dict` described, also after a way through JSON."""
        plain = dict(values)
        kinds = {"ir": _source, "vi": _source, "adversarial": Adversarial}
        kinds["consistency"] = Consistency
        for name in (*kinds, "loss"):
            if (inner := plain.get(name)) is not None:
                inner = {k: tuple(v) if isinstance(v, list) else v for k, v in inner.items()}
                plain[name] = (kinds.get(name) or _loss_kind(inner))(**inner)
        return cls(**plain)


def _as_options(given: Mapping | Iterable) -> tuple[tuple[str, object], ...]:
    """Options as sorted pairs; FusionError for what is no mapping of names to plain values."""
    try:
        options = dict(given)
    except (TypeError, ValueError):
        options = {None: None}
    for name, value in options.items():
        if not isinstance(name, str) or not isinstance(value, bool | int | float | str):
            raise FusionError(
                f'options are names and plain values, {{"region": 16}}, not {given!r}.'
            )
    return tuple(sorted(options.items()))


def _source(more: dict | None = None, **values) -> PatchSource:
    more = {k: tuple(v) if isinstance(v, list) else v for k, v in (more or {}).items()}
    return PatchSource(**values, more=_source(**more) if more else None)


def _loss_kind(values: dict) -> type:
    """The class that a loss's plain values name; the name is taken out."""
    name = values.pop("kind", "BSPLoss")
    if name not in LOSSES:
        raise FusionError(f"There is no loss {name!r}; it is one of {', '.join(LOSSES)}.")
    return LOSSES[name]


def _places(source: PatchSource) -> list[tuple]:
    return [
        (part.dataset, part.split, part.images, part.stride, part.first, part.size)
        # Images without partners are at one place with none of the other modality.
        + ((part.modality,) if part.dataset == "images" else ())
        for part in source.parts
    ]
