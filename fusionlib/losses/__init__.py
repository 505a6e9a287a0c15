"""Objectives: `terms = objective(fused, ir, vi)`, named scalars with `total`."""

from fusionlib.losses.bsp import BSPLoss
from fusionlib.losses.bsp_adversarial import EQ19, Adversarial
from fusionlib.losses.cddfuse import CDDFuseLoss
from fusionlib.losses.mmdrfuse import MMDRFuseContent, MMDRFuseLoss
from fusionlib.losses.regionfuse import RegionFuseLoss
from fusionlib.losses.registry import FOR_ALL, LOSSES, Loss, default_loss
from fusionlib.losses.seafusion import SeAFusionLoss
from fusionlib.losses.ssvif import SSVIFLoss
from fusionlib.losses.tgfuse import TGFuseLoss

__all__ = [
    "EQ19",
    "FOR_ALL",
    "LOSSES",
    "Adversarial",
    "BSPLoss",
    "CDDFuseLoss",
    "Loss",
    "MMDRFuseContent",
    "MMDRFuseLoss",
    "RegionFuseLoss",
    "SSVIFLoss",
    "SeAFusionLoss",
    "TGFuseLoss",
    "default_loss",
]
