"""Each table and figure of the papers as a list of named runs; the claims ledger."""

from fusionlib.experiments import (
    bsp,
    bsp_tables,
    evolution,
    open_questions,
    own_images,
    regionfuse,
    regionfuse_claims,
    regionfuse_efficiency,
    relationships,
    segmented,
    ssvif,
    ssvif_claims,
    ssvif_efficiency,
    ssvif_gradients,
    table4,
    table4_scores,
    table6,
    training_cost,
)
from fusionlib.experiments.bsp_claims import (
    TABLE1_CLAIMS,
    TABLE2_CLAIMS,
    TABLE3_CLAIMS,
    TABLE4_CLAIMS,
    TABLE5_CLAIMS,
    TABLE6_CLAIMS,
    TABLE7_CLAIMS,
)
from fusionlib.experiments.claims import judge
from fusionlib.experiments.ledger import CLAIMS, VERDICTS, ledger
from fusionlib.experiments.measure import (
    by_protocol,
    histories,
    measure,
    snapshot_scores,
    train_all,
    train_unless_shown,
)
from fusionlib.experiments.profiles import PROFILES, Profile, profile
from fusionlib.experiments.regionfuse_profiles import regionfuse_sizes
from fusionlib.experiments.row import Row
from fusionlib.experiments.ssvif_profiles import ssvif_sizes

__all__ = [
    "CLAIMS",
    "PROFILES",
    "TABLE1_CLAIMS",
    "TABLE2_CLAIMS",
    "TABLE3_CLAIMS",
    "TABLE4_CLAIMS",
    "TABLE5_CLAIMS",
    "TABLE6_CLAIMS",
    "TABLE7_CLAIMS",
    "VERDICTS",
    "Profile",
    "Row",
    "bsp",
    "bsp_tables",
    "by_protocol",
    "evolution",
    "histories",
    "judge",
    "ledger",
    "measure",
    "open_questions",
    "own_images",
    "profile",
    "regionfuse",
    "regionfuse_claims",
    "regionfuse_efficiency",
    "regionfuse_sizes",
    "relationships",
    "segmented",
    "snapshot_scores",
    "ssvif",
    "ssvif_claims",
    "ssvif_efficiency",
    "ssvif_gradients",
    "ssvif_sizes",
    "table4",
    "table4_scores",
    "table6",
    "train_all",
    "train_unless_shown",
    "training_cost",
]  # fmt: skip
