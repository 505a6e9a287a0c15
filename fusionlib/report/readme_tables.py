"""README's folded tables of the papers, and the count of their claims."""

import json
from pathlib import Path

import pandas as pd

from fusionlib.report.compare import markdown, wide

BSP, SSVIF, REGIONFUSE = "beyond_strict_pairing", "ssvif", "regionfuse"
PAPERS = {
    BSP: "Beyond Strict Pairing",
    SSVIF: "SSVIF",
    REGIONFUSE: "RegionFuse, judged by a reconstruction",
}
CLAIMS = "claims.csv"
# Notebook -> what README calls it, and the figures beneath with their alternative texts.
TABLES = {
    f"{BSP}/table1_generalisation": ("Table 1, CNN", {
        "table1.png": "Table 1 as points: paper hollow, ours filled",
        "panels.png": "An MSRS night scene through all six rows",
        "abnormal.png": "Fog in M3FD through all six rows",
    }),
    f"{BSP}/table1_transformer": ("Table 1, Transformer", {
        "panels.png": "An MSRS night scene through all six rows",
        "abnormal.png": "Fog in M3FD through all six rows",
    }),
    f"{BSP}/table1_gan": ("Table 1, GAN", {
        "panels.png": "An MSRS night scene through all six rows",
        "abnormal.png": "Fog in M3FD through all six rows",
    }),
    f"{BSP}/table2_cross_dataset": ("Table 2 and Figure 7, sources of different sets", {
        "panels.png": "An MSRS night scene through networks that never saw a pair",
    }),
    f"{BSP}/table3_base_size": ("Table 3 and Figure 1b, small bases", {
        "fig1b.png": "Average improvement by the size of the base",
    }),
    f"{BSP}/table5_imbalanced": ("Table 5 and Figure 9, half as many images of one modality", {
        "panels.png": "An MSRS night scene through all rows",
    }),
    f"{BSP}/table6_other_methods": ("Table 6, published methods retrained", {
        "panels.png": "An MSRS night scene through the retrained methods",
    }),
    f"{BSP}/table7_loss_ablation": ("Table 7 and Figure 10, the loss without some of its terms", {
        "panels.png": "An MSRS night scene through five settings of the loss",
    }),
    f"{SSVIF}/table1_segmentation": ("SSVIF, Table I and Figure 3, segmentation of fused images", {
        "segments.webp": "Labels of an MSRS scene, and what segmenters find in its fused images",
    }),
    f"{SSVIF}/table2_fusion": ("SSVIF, Table II and Figure 4, fusion metrics", {
        "panels.webp": "An MSRS night scene in colour, by own training and by SSVIF",
    }),
    f"{SSVIF}/table3_ablations": ("SSVIF, Table III, what each part adds", {
        "balance.png": "Weight of the consistency loss, both losses and agreement over the steps",
        "panels.webp": "An MSRS night scene through all configurations",
    }),
    f"{SSVIF}/table6_classes": ("SSVIF, Table VI, number of classes", {}),
    f"{SSVIF}/table7_colour_weight": ("SSVIF, Table VII, weight of the colour term", {
        "panels.webp": "An MSRS night scene with three weights of the colour term",
    }),
    f"{SSVIF}/table8_channels": ("SSVIF, Table VIII, grey or colour", {
        "panels.webp": "An MSRS night scene, fused grey and in colour",
    }),
    f"{REGIONFUSE}/table1_region_size": ("RegionFuse, Table 1, size of a region", {}),
    f"{REGIONFUSE}/fig4_fig5_experts": ("RegionFuse, Figures 4 and 5, experts", {
        "fig5.png": "Share of the tokens of each expert over the epochs",
    }),
    f"{REGIONFUSE}/table2_table3_loss_weights": ("RegionFuse, Tables 2 and 3, loss weights", {}),
    f"{REGIONFUSE}/table5_xrestormer_in_piafusion": (
        "RegionFuse, Table 5 and Figure 6, X-Restormer in PIAFusion", {
            "panels.webp": "An MSRS night scene by PIAFusion, with X-Restormer, and RegionFuse",
        },
    ),
}  # fmt: skip


def ledger(results: Path) -> list[str]:
    """How many claims have which verdict, and those measured; nothing without the ledger."""
    if not (results / CLAIMS).is_file():
        return []
    claims = pd.read_csv(results / CLAIMS)
    said = []
    for paper, part in claims.groupby(claims["notebook"].str.partition("/")[0], sort=False):
        counts = part["verdict"].value_counts()
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        said.append(f"**{len(part)} claims of {PAPERS[paper]}**: {verdicts}")
    measured = claims[claims["verdict"] != "not measured"]
    shown = measured[["where", "says", "verdict"]].copy()
    tried = measured[["supported", "contradicted", "undecided"]].astype(int)
    shown["supported / contradicted / undecided"] = [
        " / ".join(map(str, row)) for row in tried.itertuples(index=False)
    ]
    return [
        f"{'; '.join(said)} ([ledger](results/{CLAIMS})). Each is a comparison of rows. Supported"
        " or contradicted needs 20 images, a paired 95 % interval over images that leaves no doubt,"
        " and an effect above twice its standard error over seeds.",
        "",
        *folded("Every measured claim with its verdict", markdown(shown.set_index("where"))),
    ]


def tables(results: Path) -> list[str]:
    """Each measured table in a fold: paper | ours, its notes, its pictures."""
    lines = []
    for notebook, (title, pictures) in TABLES.items():
        folder = results / notebook / "quick"
        if not (folder / "table.csv").is_file():
            continue
        comparison = pd.read_csv(folder / "table.csv")
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        images = comparison.groupby("test_set", sort=False)["images"].max()
        sets = ", ".join(f"{name} ({count:.0f} images)" for name, count in images.items())
        text = [
            f"paper | ours ± standard deviation over seeds; {sets}; {'; '.join(record['notes'])}"
        ]
        if "method" in comparison:
            parts = {name: wide(part) for name, part in comparison.groupby("method", sort=False)}
            shown = pd.concat(parts, names=["method"])
        else:
            shown = wide(comparison)
        text += ["", markdown(shown)]
        for name, alternative in pictures.items():
            if (folder / name).is_file():
                text += [f"![{alternative}](results/{notebook}/quick/{name})", ""]
        lines += folded(title, "\n".join(text))
    return lines


def folded(title: str, text: str) -> list[str]:
    """Lines that GitHub shows as one line to unfold."""
    return ["<details>", f"<summary>{title}</summary>", "", text, "</details>", ""]
