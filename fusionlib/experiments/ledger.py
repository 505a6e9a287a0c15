"""The claims ledger: every claim with one verdict, gathered from the tables' notebooks.

A table's notebook judges each claim metric by metric and test set by test set
and writes claims.csv. Here a claim is *contradicted* where one of these
comparisons is, *supported* where all that have enough images are, and
undecided else.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fusionlib.experiments import regionfuse_claims as regionfuse
from fusionlib.experiments import ssvif_claims as ssvif
from fusionlib.experiments.bsp_claims import (
    FIGURE2_CLAIMS,
    TABLE1_CLAIMS,
    TABLE2_CLAIMS,
    TABLE3_CLAIMS,
    TABLE4_CLAIMS,
    TABLE5_CLAIMS,
    TABLE6_CLAIMS,
    TABLE7_CLAIMS,
    UNPAIRED_IS_BETTER,
)
from fusionlib.experiments.claims import Claim
from fusionlib.statistics import FEWEST_IMAGES


def _of_baseline(title: str) -> tuple[Claim, ...]:
    """Table 1's claims, which the paper makes of all three baselines."""
    ending = "" if title == "CNN" else f"-{title.lower()}"
    return tuple(
        dataclasses.replace(claim, name=claim.name + ending, where=f"{claim.where}, {title}")
        for claim in TABLE1_CLAIMS
    )


def _all_of(claims: Mapping[str, Sequence[Claim]]) -> tuple[Claim, ...]:
    return tuple(claim for several in claims.values() for claim in several)


# Notebook -> the claims that it judges.
CLAIMS: Mapping[str, Sequence[Claim]] = {
    "beyond_strict_pairing/table1_generalisation": _of_baseline("CNN"),
    "beyond_strict_pairing/table1_transformer": (*_of_baseline("Transformer"), UNPAIRED_IS_BETTER),
    "beyond_strict_pairing/table1_gan": _of_baseline("GAN"),
    "beyond_strict_pairing/fig2_convergence": _all_of(FIGURE2_CLAIMS),
    "beyond_strict_pairing/table2_cross_dataset": TABLE2_CLAIMS,
    "beyond_strict_pairing/table3_base_size": TABLE3_CLAIMS,
    "beyond_strict_pairing/table4_other_methods": TABLE4_CLAIMS,
    "beyond_strict_pairing/table5_imbalanced": TABLE5_CLAIMS,
    "beyond_strict_pairing/table6_other_methods": _all_of(TABLE6_CLAIMS),
    "beyond_strict_pairing/table7_loss_ablation": TABLE7_CLAIMS,
    "ssvif/table1_segmentation": ssvif.METHODS_SEGMENT,
    "ssvif/table2_fusion": ssvif.METHODS_FUSE,
    "ssvif/table3_ablations": (
        *ssvif.FRAMEWORK_SEGMENTS,
        *ssvif.FRAMEWORK_FUSES,
        *ssvif.ABLATIONS_SEGMENT,
        *ssvif.ABLATIONS_FUSE,
    ),
    "ssvif/table6_classes": (*ssvif.CLASSES_SEGMENT, *ssvif.CLASSES_FUSE),
    "ssvif/table7_colour_weight": (*ssvif.COLOUR_SEGMENT, *ssvif.COLOUR_FUSES),
    "ssvif/table8_channels": (*ssvif.CHANNELS_SEGMENT, *ssvif.CHANNELS_FUSE),
    "ssvif/gradient_projection": ssvif.GRADIENTS,
    "regionfuse/table1_region_size": regionfuse.REGIONS,
    "regionfuse/fig4_fig5_experts": regionfuse.EXPERTS,
    "regionfuse/table2_table3_loss_weights": (*regionfuse.GRADIENTS, *regionfuse.LOADS),
    "regionfuse/table5_xrestormer_in_piafusion": regionfuse.ENCODERS,
}
SHOWN = ("metric", "test_set", "paper", "effect", "low", "high")
VERDICTS = ("supported", "contradicted", "undecided", "not measured")
COLUMNS = (
    "claim", "where", "says", "notebook", *VERDICTS[:3], "images", "test_sets", *SHOWN, "verdict",
)  # fmt: skip


def ledger(results: Path, profile: str) -> pd.DataFrame:
    """A row a claim, in the order of the papers.

    Args:
        results: the root of the results.
        profile: whose results.

    Returns columns claim, where, says, notebook, supported, contradicted,
    undecided (how many comparisons), images (the most of a comparison),
    test_sets (those with images enough for a verdict), metric, test_set,
    paper, effect, low and high of the comparison that decided (the first of
    several), verdict.
    """
    rows = []
    for notebook, claims in CLAIMS.items():
        file = results / notebook / profile / "claims.csv"
        judged = pd.read_csv(file) if file.is_file() else pd.DataFrame({"claim": []})
        for claim in claims:
            here = judged[judged["claim"] == claim.name]
            row = {"claim": claim.name, "where": claim.where, "says": claim.says}
            rows.append(row | {"notebook": notebook} | _summed(here))
    return pd.DataFrame(rows, columns=COLUMNS)


def _summed(judged: pd.DataFrame) -> dict:
    if judged.empty:
        return {"verdict": "not measured"}
    counts = judged["verdict"].value_counts()
    summed = {name: int(counts.get(name, 0)) for name in VERDICTS[:3]}
    enough = judged[judged["images"] >= FEWEST_IMAGES]
    verdict = "undecided"
    if summed["contradicted"]:
        verdict = "contradicted"
    elif len(enough) and (enough["verdict"] == "supported").all():
        verdict = "supported"
    # What decided stands before what is undecided only for want of images.
    decided = pd.concat([enough[enough["verdict"] == verdict], enough, judged]).iloc[0]
    shown = {name: decided[name] for name in SHOWN}
    sets = {
        "images": int(judged["images"].max()),
        "test_sets": " ".join(enough["test_set"].unique()),
    }
    return summed | sets | shown | {"verdict": verdict}
