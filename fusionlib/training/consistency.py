"""How SSVIF trains a fusion model beside two segmentations, as part of a spec."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlib.errors import FusionError
from fusionlib.losses.balancing import NORMS, WEIGHTINGS
from fusionlib.losses.factors import as_factor
from fusionlib.models import MODELS
from fusionlib.models.segmentation import LEAST_SIDE, SIZES

if TYPE_CHECKING:
    from fusionlib.training.spec import Spec

WITHOUT = "none"  # of the weightings: no consistency loss at all


@dataclass(frozen=True)
class Consistency:
    """Cross-segmentation consistency beside the fusion loss, in two stages.

    Args:
        classes: n of both segmentations; they stand for nothing that has a
            name.
        segmenter: SegFormer's size, "b0", "b1" or "b3".
        width: of the segmentation head. Inferred: 64.
        weighting: what balances the losses: "gdwa", the paper's own; of its
            Table III also "fixed", "ucw", "dwa" and "segmif"; "none" leaves
            the consistency loss, and with it stage II, out.
        omega: of "fixed".
        temperature: T of "gdwa" and "dwa". Inferred: 2.
        norms: of "gdwa", the gradients' sizes of the last "epoch" or of each
            "step", see `GDWA`. Inferred: the epoch's.
        two_stages: fusion alone until its mean loss of an epoch rises, then
            all together; False begins with all together.
        patience: epochs without a lower fusion loss on the validation
            patches, after which the training ends; 10 in the paper. The run
            then keeps the weights of the best epoch. None takes all steps,
            all patches and the last weights. Inferred: that the fusion loss
            is watched; the total's weights change from epoch to epoch.
        validation: share of the patches that is held out where there is a
            patience.
        flips: mirror half of the pairs of each batch, left to right.
            Inferred.

    Source: SSVIF, sections III-C to III-E and IV-A.

    Raises FusionError for values that can't be.
    """

    classes: int = 15
    segmenter: str = "b3"
    width: int = 64
    weighting: str = "gdwa"
    omega: float = 0.1
    temperature: float = 2.0
    norms: str = "epoch"
    two_stages: bool = True
    patience: int | None = None
    validation: float = 0.1
    flips: bool = True

    def __post_init__(self):
        for name, least in (("classes", 2), ("width", 1), ("patience", 1)):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not whole and not (name == "patience" and value is None):
                raise FusionError(f"{name} of a Consistency is {least} or more, not {value!r}.")
        if self.segmenter not in SIZES:
            raise FusionError(f"segmenter is one of {', '.join(SIZES)}, not {self.segmenter!r}.")
        if self.weighting not in (*WEIGHTINGS, WITHOUT):
            known = ", ".join((*WEIGHTINGS, WITHOUT))
            raise FusionError(f"weighting is one of {known}, not {self.weighting!r}.")
        if self.norms not in NORMS:
            raise FusionError(f"norms is one of {', '.join(NORMS)}, not {self.norms!r}.")
        for name in ("omega", "temperature", "validation"):
            object.__setattr__(self, name, as_factor(name, getattr(self, name)))
        if not self.temperature:
            raise FusionError("temperature is above 0: the rates are divided by it.")
        if not 0 < self.validation < 1:
            raise FusionError(f"validation is a share between 0 and 1, not {self.validation:g}.")

    def options(self, epochs: int) -> dict:
        """What the weighting's class takes, in a training of so many epochs."""
        return {
            "fixed": {"omega": self.omega},
            "gdwa": {"temperature": self.temperature, "norms": self.norms},
            "dwa": {"temperature": self.temperature},
            # Seven rounds, the first of them stage I's.
            "segmif": {"round_epochs": max(1, epochs // 7)},
        }.get(self.weighting, {})

    def check(self, spec: "Spec") -> None:
        """See that a spec can be trained with it; a FusionError says what can't."""
        if not hasattr(MODELS[spec.model], "feature_channels"):
            able = [name for name, kind in MODELS.items() if hasattr(kind, "feature_channels")]
            raise FusionError(
                f"{spec.model} does not say what its features are, so nothing can segment them:"
                f" take {', '.join(able)}."
            )
        if spec.relation != "strict":
            raise FusionError(
                "Two segmentations agree where both images show one scene: a spec with a"
                f" Consistency takes relation='strict', not {spec.relation!r}."
            )
        if spec.adversarial:
            raise FusionError("A spec takes a Consistency or critics, not both.")
        if spec.shards > 1:
            raise FusionError(
                "A Consistency is weighted by the gradients of the whole batch: take shards=1."
            )
        if spec.ir.patch < LEAST_SIDE:
            raise FusionError(
                f"SegFormer sees {LEAST_SIDE} pixels or more: take larger patches than"
                f" {spec.ir.patch}."
            )
