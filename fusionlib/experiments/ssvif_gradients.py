"""How SSVIF's two losses pull the fusion model: together, or against each other (section IV-F)."""

import pandas as pd

from fusionlib.experiments.ssvif_claims import NO_EFFECT

PARTS = 30  # of stage II, each of which stands for an image in the rule of 20
RUN = ["mode", "trainable", "seed", "key"]
PULLS = ("projection", "cosine", "g_fusion", "g_csc")


def pulls(courses: pd.DataFrame, parts: int = PARTS) -> pd.DataFrame:
    """Means over equal parts of each run's stage II, a row a part.

    Args:
        courses: what `histories` returned of rows that SSVIF trained.
        parts: as many, or a step each where stage II has fewer.

    Returns columns mode, trainable, seed, key, part, step (its last),
    projection (Eq. 8), cosine (Eq. 9), and both gradients' norms.
    """
    together = courses[courses["stage"] == 2]
    place = together.groupby(RUN, sort=False).cumcount()
    steps = together.groupby(RUN, sort=False)["step"].transform("size")
    part = place * steps.clip(upper=parts) // steps
    named = together.assign(part=part + 1).groupby([*RUN, "part"], sort=False)
    means = named.agg({"step": "max"} | dict.fromkeys(PULLS, "mean"))
    return means.reset_index()


def shares(courses: pd.DataFrame) -> pd.DataFrame:
    """How much of a step the consistency loss decides: means over stage II.

    courses: what `histories` returned, also smoothed.

    Returns, by mode and seed, omega (of Eq. 2), "g_csc / g_fusion", "pull"
    (omega g_csc / g_fusion: the consistency loss's part of the step, where
    the fusion loss's is 1), csc, agreement and classes in use. Rows without
    a stage II, or without this loss, are left out.
    """
    together = courses[(courses["stage"] > 1) & (courses["lambda_csc"] > 0)]
    omega = together["lambda_csc"] / together["lambda_fusion"]
    ratio = together["g_csc"] / together["g_fusion"]
    told = together.assign(omega=omega, pull=omega * ratio).assign(**{"g_csc / g_fusion": ratio})
    columns = ["omega", "g_csc / g_fusion", "pull", "csc", "agreement", "classes"]
    return told.groupby(["mode", "seed"], sort=False)[columns].mean()


def as_rows(pulled: pd.DataFrame) -> pd.DataFrame:
    """What `pulls` returned, as `judge` takes it: a part stands for an image.

    Beside the rows stands one of zeros, with which a claim compares them.
    """
    rows = pulled.assign(test_set="training", image=pulled["part"].astype(str))
    none = rows.assign(mode=NO_EFFECT, projection=0.0, cosine=0.0)
    first = ["test_set", "mode", "trainable", "seed", "key", "image"]
    return pd.concat([rows, none], ignore_index=True)[[*first, "projection", "cosine"]]
