"""Which loss trains a model, where a spec does not say."""

from typing import get_args

from fusionlib.losses.bsp import BSPLoss
from fusionlib.losses.cddfuse import CDDFuseLoss
from fusionlib.losses.mmdrfuse import MMDRFuseContent, MMDRFuseLoss
from fusionlib.losses.seafusion import SeAFusionLoss
from fusionlib.losses.ssvif import SSVIFLoss
from fusionlib.losses.tgfuse import TGFuseLoss

Loss = (
    BSPLoss | CDDFuseLoss | MMDRFuseContent | MMDRFuseLoss | SeAFusionLoss | SSVIFLoss | TGFuseLoss
)

LOSSES: dict[str, type] = {kind.__name__: kind for kind in get_args(Loss)}
# Methods with an objective of their own; every model trains with `BSPLoss`, too.
OWN: dict[str, type] = {
    "cddfuse": CDDFuseLoss,
    "mmdrfuse": MMDRFuseLoss,
    "mmdrfuse-teacher": MMDRFuseContent,
    "tgfuse": TGFuseLoss,
}


def default_loss(model: str) -> Loss:
    """The loss that was published with a model, by the model's name."""
    return OWN.get(model, BSPLoss)()
