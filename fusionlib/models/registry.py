"""The registry of models: a name, its architecture."""

import inspect
from collections.abc import Iterable

from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models.bsp_cnn import BSPCNN
from fusionlib.models.bsp_transformer import BSPTransformer
from fusionlib.models.cddfuse import CDDFuse
from fusionlib.models.emma import EMMA
from fusionlib.models.mmdrfuse import MMDRFuse, MMDRFuseTeacher
from fusionlib.models.piafusion import PIAFusion
from fusionlib.models.regionfuse import RegionFuse
from fusionlib.models.seafusion import SeAFusion
from fusionlib.models.swinfusion import SwinFusion
from fusionlib.models.tgfuse import TGFuse

MODELS: dict[str, type[nn.Module]] = {
    "bsp-cnn": BSPCNN,
    "bsp-transformer": BSPTransformer,
    "bsp-gan": BSPCNN,  # the generator; its discriminators exist in training alone
    "cddfuse": CDDFuse,
    "emma": EMMA,
    "mmdrfuse": MMDRFuse,
    "mmdrfuse-teacher": MMDRFuseTeacher,
    "piafusion": PIAFusion,
    "regionfuse": RegionFuse,
    "seafusion": SeAFusion,
    "swinfusion": SwinFusion,
    "tgfuse": TGFuse,
}
# Published for grey images alone.
GREY = ("cddfuse", "mmdrfuse", "mmdrfuse-teacher", "tgfuse")


def create_model(name: str, channels: int = 1, **options) -> nn.Module:
    """A model with freshly drawn weights, by name.

    Args:
        name: one of `MODELS`.
        channels: channels of each source and of the fused image, 1 or 3; some
            models take 1 alone.
        **options: further arguments of the architecture, such as `region` of
            RegionFuse; see its class.

    Raises FusionError for an unknown name, number of channels or option.
    """
    check_model(name, channels, options)
    return MODELS[name](channels, **options)


def check_model(name: str, channels: int, options: Iterable[str] = ()) -> None:
    """See that `create_model` takes these; a FusionError says what it takes."""
    if name not in MODELS:
        raise FusionError(f"There is no model {name!r}; the models are {', '.join(MODELS)}.")
    if channels not in (1, 3):
        raise FusionError(f"A model takes channels=1 or channels=3, not {channels!r}.")
    if channels not in channels_of(name):
        raise FusionError(
            f"{name} was published for grey images: it takes channels=1, not {channels}."
        )
    known = [
        option for option in inspect.signature(MODELS[name]).parameters if option != "channels"
    ]
    if unknown := [option for option in options if option not in known]:
        taken = f"its options are {', '.join(known)}" if known else "it has no options"
        raise FusionError(f"{name} has no option {unknown[0]!r}: {taken}.")


def channels_of(name: str) -> tuple[int, ...]:
    """The numbers of channels that a model takes."""
    return (1,) if name in GREY else (1, 3)
