"""Which loss trains a model, where a spec does not say."""

from typing import get_args

from fusionlib.losses.bsp import BSPLoss
from fusionlib.losses.cddfuse import CDDFuseLoss
from fusionlib.losses.mmdrfuse import MMDRFuseContent, MMDRFuseLoss
from fusionlib.losses.regionfuse import RegionFuseLoss
from fusionlib.losses.seafusion import SeAFusionLoss
from fusionlib.losses.ssvif import SSVIFLoss
from fusionlib.losses.tgfuse import TGFuseLoss

Loss = (
    BSPLoss
    | CDDFuseLoss
    | MMDRFuseContent
    | MMDRFuseLoss
    | RegionFuseLoss
    | SeAFusionLoss
    | SSVIFLoss
    | TGFuseLoss
)

LOSSES: dict[str, type] = {kind.__name__: kind for kind in get_args(Loss)}
# These look at a fused image and its sources alone, so every model trains with them.
FOR_ALL: tuple[type, ...] = (BSPLoss, SeAFusionLoss, SSVIFLoss)
# Methods with an objective of their own.
OWN: dict[str, type] = {
    "cddfuse": CDDFuseLoss,
    "mmdrfuse": MMDRFuseLoss,
    "mmdrfuse-teacher": MMDRFuseContent,
    "regionfuse": RegionFuseLoss,
    "tgfuse": TGFuseLoss,
}


def default_loss(model: str) -> Loss:
    """The loss that was published with a model, by the model's name."""
    return OWN.get(model, BSPLoss)()
