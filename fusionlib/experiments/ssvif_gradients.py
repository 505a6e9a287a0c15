"""How SSVIF's two losses pull the fusion model: together, or against each other (section IV-F)."""

import pandas as pd

from fusionlib.experiments.ssvif_claims import NO_EFFECT

PULLS = ("projection", "cosine", "g_fusion", "g_csc")


def pulls(courses: pd.DataFrame) -> pd.DataFrame:
    """Means over the steps of each epoch of stage II, a row an epoch.

    courses: what `histories` returned of rows that SSVIF trained.

    Returns columns mode, trainable, seed, key, epoch, projection (Eq. 8),
    cosine (Eq. 9), and both gradients' norms.
    """
    together = courses[courses["stage"] == 2]
    names = ["mode", "trainable", "seed", "key", "epoch"]
    return together.groupby(names, sort=False)[list(PULLS)].mean().reset_index()


def as_rows(pulled: pd.DataFrame) -> pd.DataFrame:
    """What `pulls` returned, as `judge` takes it: an epoch stands for an image.

    Beside the rows stands one of zeros, with which a claim compares them.
    """
    rows = pulled.assign(test_set="training", image=pulled["epoch"].astype(str))
    none = rows.assign(mode=NO_EFFECT, projection=0.0, cosine=0.0)
    first = ["test_set", "mode", "trainable", "seed", "key", "image"]
    return pd.concat([rows, none], ignore_index=True)[[*first, "projection", "cosine"]]
