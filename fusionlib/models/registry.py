"""The registry of models: a name, its architecture."""

from torch import nn

from fusionlib.errors import FusionError
from fusionlib.models.bsp_cnn import BSPCNN
from fusionlib.models.bsp_transformer import BSPTransformer

MODELS: dict[str, type[nn.Module]] = {
    "bsp-cnn": BSPCNN,
    "bsp-transformer": BSPTransformer,
    "bsp-gan": BSPCNN,  # the generator; its discriminators exist in training alone
}


def create_model(name: str, channels: int = 1) -> nn.Module:
    """A model with freshly drawn weights, by name.

    Args:
        name: one of `MODELS`.
        channels: channels of each source and of the fused image, 1 or 3.

    Raises FusionError for an unknown name or number of channels.
    """
    if name not in MODELS:
        raise FusionError(f"There is no model {name!r}; the models are {', '.join(MODELS)}.")
    if channels not in (1, 3):
        raise FusionError(f"A model takes channels=1 or channels=3, not {channels!r}.")
    return MODELS[name](channels)
