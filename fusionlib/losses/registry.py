"""Which loss trains a model, where a spec does not say."""

from fusionlib.losses.bsp import BSPLoss
from fusionlib.losses.cddfuse import CDDFuseLoss
from fusionlib.losses.mmdrfuse import MMDRFuseContent, MMDRFuseLoss
from fusionlib.losses.tgfuse import TGFuseLoss

Loss = BSPLoss | CDDFuseLoss | MMDRFuseContent | MMDRFuseLoss | TGFuseLoss

LOSSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (BSPLoss, CDDFuseLoss, MMDRFuseContent, MMDRFuseLoss, TGFuseLoss)
}
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
