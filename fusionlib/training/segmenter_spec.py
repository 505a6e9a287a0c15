"""The specification of a segmenter's training: SegFormer on labelled images.

SSVIF (section IV-C and appendix A-B) measures fused images by it: a segmenter
is trained on what a method made of the training images, and its IoU on the
test images is the method's.
"""

import dataclasses
from dataclasses import dataclass

from torch import nn

from fusionlib.data.labels import classes_of
from fusionlib.errors import FusionError
from fusionlib.models.segmentation import LEAST_SIDE, SIZES, segformer
from fusionlib.training.any_spec import AnySpec, chosen, key_of
from fusionlib.training.labelled_source import LabelledSource

HELD_OUT = 10  # of so many images one tells when to stop


@dataclass(frozen=True)
class SegmenterSpec(AnySpec):
    """One training of SegFormer on labelled images, by cross entropy and AdamW.

    Args:
        source: the images and labels, see `labelled_source`.
        size: (height, width) that images are brought to bilinearly, and
            labels by their nearest pixel.
        encoder: "b0", "b1" or "b3".
        epochs, steps: how long; give one of the two. An incomplete batch is
            dropped.
        batch, lr: batch size and AdamW's learning rate, which falls to 0 as
            a cosine.
        seed: of the weights, the order of the images, and what the network
            leaves out at random.
        precision, shards: as of a fusion's `Spec`.
        weights: what to begin with: the key of a segmenter's finished run, or
            a .safetensors file, see `load_encoder`, whose path is part of the
            key. None begins with drawn weights.
        frozen: with `weights`, the share of the steps on which the encoder
            stands still. `lr` falls to `thawed_lr` on them, as a cosine,
            and from there to 0 on the others.
        thawed_lr: see `frozen`.
        patience: every tenth image is held out, and where their loss was not
            less for so many epochs the training ends. It keeps the weights
            of the best epoch. None takes all images and all steps.
        augment: change images at random, see `augmented`.
        balance: how much rare classes count more in the cross entropy, see
            `class_weights`: 0 not at all, 1 as in ENet.

    Source: SSVIF, appendix A-B: 80 epochs of 12 images, 30 of them frozen,
    5e-4 and 3e-5, patience 10, SegFormer-B3 with SegMiF's weights, which
    are not public. Inferred: the two cosines, the held-out images, `augment`
    and `balance`, of which the paper says nothing, AdamW's weight decay of
    0.01, and training without `weights`, where no encoder may stand still.

    Raises FusionError for values that can't be trained.
    """

    kind = "segmenter"

    source: LabelledSource
    size: tuple[int, int]
    encoder: str = "b3"
    epochs: int | None = None
    steps: int | None = None
    batch: int = 12
    lr: float = 5e-4
    seed: int = 0
    precision: str = "float32"
    shards: int = 1
    weights: str | None = None
    frozen: float = 0.375
    thawed_lr: float = 3e-5
    patience: int | None = None
    augment: bool = False
    balance: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "size", tuple(self.size))
        object.__setattr__(self, "weights", str(self.weights) if self.weights else None)
        if self.encoder not in SIZES:
            raise FusionError(f"encoder is one of {', '.join(SIZES)}, not {self.encoder!r}.")
        if len(self.size) != 2 or min(self.size) < LEAST_SIDE:
            raise FusionError(
                f"size is a height and a width of {LEAST_SIDE} pixels or more, not {self.size}."
            )
        usual = SegmenterSpec.frozen, SegmenterSpec.thawed_lr
        if not self.weights and (self.frozen, self.thawed_lr) != usual:
            raise FusionError(
                "frozen and thawed_lr are for an encoder with weights: name a file of weights, or"
                " leave both out."
            )
        if not 0 <= self.frozen < 1:
            raise FusionError(f"frozen is a share below 1, not {self.frozen!r}.")
        if not 0 <= self.balance <= 1:
            raise FusionError(f"balance goes from 0 to 1, not {self.balance!r}.")
        if self.patience is not None and (self.patience < 1 or not self.held_out):
            raise FusionError(
                f"patience is 1 or more epochs, over {HELD_OUT} images or more, not"
                f" {self.patience} over {len(self.source.names)}."
            )
        if not 0 < self.batch <= self.trained:
            raise FusionError(
                f"batch={self.batch} does not fit {self.trained} images: an epoch needs a whole"
                " batch."
            )
        self.check_course()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by their numbers."""
        return classes_of(self.source.dataset)

    @property
    def held_out(self) -> int:
        """How many images tell when to stop."""
        return 0 if self.patience is None else len(self.source.names) // HELD_OUT

    @property
    def trained(self) -> int:
        """How many images are learnt from."""
        return len(self.source.names) - self.held_out

    @property
    def frozen_steps(self) -> int:
        """Steps on which the encoder stands still."""
        return round(self.frozen * self.total_steps) if self.weights else 0

    @property
    def steps_per_epoch(self) -> int:
        return self.trained // self.batch

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The last step alone: of SegFormer-B3 a snapshot takes 190 MB."""
        return (self.total_steps,)

    @property
    def key(self) -> str:
        return key_of({"kind": self.kind, **chosen(self)})

    @property
    def title(self) -> str:
        return f"segformer-{self.encoder} on {self.source.short_name} seed {self.seed}"

    @property
    def listed(self) -> str:
        (height, width), source = self.size, self.source
        return (
            f"segformer-{self.encoder}  on {source.short_name}  {len(source.names):,} images"
            f" {height}x{width}  {source.dataset}  {self.total_steps:,} steps  seed {self.seed}"
        )

    @property
    def step_kind(self) -> str:
        height, width = self.size
        return f"segformer-{self.encoder} {self.precision} {self.batch}x{height}x{width}"

    @property
    def brief(self) -> dict:
        source, model = self.source, f"segformer-{self.encoder}"
        values = {"model": model, "seed": self.seed, "images": source.short_name}
        return values | ({"protocol": source.protocol} if source.of_run else {})

    def network(self) -> nn.Module:
        return segformer(self.encoder, len(self.classes))

    def to_dict(self) -> dict:
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict) -> "SegmenterSpec":
        plain = {name: value for name, value in values.items() if name != "kind"}
        inner = {k: tuple(v) if isinstance(v, list) else v for k, v in plain["source"].items()}
        return cls(**{**plain, "source": LabelledSource(**inner)})
