"""README's results, written from results/: `python -m fusionlib.report.readme`.

A number is never typed into README. What stands between the two marks comes
from the committed results, and a test compares.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from fusionlib import published, settings
from fusionlib.errors import FusionError
from fusionlib.report.compare import markdown
from fusionlib.report.readme_tables import folded, ledger, tables
from fusionlib.report.table4 import ALL, LISTED, TOLERANCES, tolerance_check
from fusionlib.report.table4_views import in_short

BEGIN, END = "<!-- results: written by fusionlib.report.readme -->", "<!-- end of results -->"
FIGURE2 = "beyond_strict_pairing/fig2_convergence/quick"
TABLE4 = "beyond_strict_pairing/table4_other_methods/quick"
SPEED = "benchmarks/metrics_cpu"
MODELS_SPEED = "benchmarks/models_cpu"


def results_section(results: Path) -> str:
    """The Markdown that README shows of the results under `results`."""
    return "\n".join(
        [
            *ledger(results),
            *tables(results),
            *_figure2(results),
            *_table4(results),
            *_models_speed(results),
            *_speed(results),
        ]
    )


def _figure2(results: Path) -> list[str]:
    ends = json.loads((results / FIGURE2 / "record.json").read_text(encoding="utf-8"))
    return [
        "**Figure 2**: loss and test SSIM while training on strict and unpaired patches."
        f" {'. '.join(ends['notes'])}.",
        "",
        f"![Loss and SSIM, SPTP against UPTP](results/{FIGURE2}/fig2.png)",
        "",
    ]


def _table4(results: Path) -> list[str]:
    """Table 4 in short; nothing where it was not measured."""
    if not (results / TABLE4 / "table.csv").is_file():
        return []
    comparison = pd.read_csv(results / TABLE4 / "table.csv").fillna({"on": ""})
    record = json.loads((results / TABLE4 / "record.json").read_text(encoding="utf-8"))
    paper = published.load("bsp", 4)
    counts = comparison.groupby(["test_set", "on"], sort=False)["images"].max()
    sets = ", ".join(
        f"{name} ({counts.get((name, ALL), 0):.0f} and {counts[name, LISTED]:.0f} images)"
        for name in dict.fromkeys(comparison["test_set"])
    )
    check = tolerance_check(comparison)
    tolerances = ", ".join(f"{metric} {value:g}" for metric, value in TOLERANCES.items())
    sizes = pd.read_csv(results / TABLE4 / "sizes.csv", dtype=str).set_index("model")
    remark = next(note.text for note in paper.notes if note.column == "size_mb")
    text = [
        "printed | the authors' weights, scored here | trained here ± deviation over seeds,"
        f" on {sets}. {'; '.join(record['notes'])}.",
        "",
        markdown(in_short(comparison, paper)),
        f"On the MSRS images at hand {check['within'].sum()} of {len(check)} numbers of the"
        f" authors' weights lie as near the printed row as they must ({tolerances}).",
        "",
        f"![Table 4 as points](results/{TABLE4}/table4.png)",
        "",
        markdown(sizes),
        f"{remark} MB: 2^20 bytes; GMAC: 10^9 multiply-accumulates for a pair of 480x640, as"
        " computed here.",
        "",
        f"![An MSRS scene through all networks](results/{TABLE4}/panels.png)",
        "",
    ]
    return folded("Table 4, the baselines beside ten other methods", "\n".join(text))


def _models_speed(results: Path) -> list[str]:
    """Models beside their published form; nothing where it was not measured."""
    if not (results / f"{MODELS_SPEED}.csv").is_file():
        return []
    where = json.loads((results / f"{MODELS_SPEED}.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(results / f"{MODELS_SPEED}.csv")
    table = pd.DataFrame(
        {
            "ours, ms": rows["ours_ms"].map("{:.0f}".format),
            "as published, ms": rows["published_ms"].map("{:.0f}".format),
            "ratio": rows["ratio"].map("{:.3f}".format),
            "memory kept": rows["ratio_kept"].map("{:.3f}".format),
            "over its floor": rows["over_floor"].map("{:.1f}".format),
        }
    )
    ceilings = ", ".join(f"{name} {value}" for name, value in where["ceilings"].items())
    table.index = pd.Index(
        rows["model"] + " " + rows["task"] + ", " + rows["precision"], name="what"
    )
    return [
        f"**Speed of the models** beside their layers as published, in turns, each in a process of"
        f" its own: a training step ({where['step']}), and fusing ({where['tiled, whole']}); ratio:"
        " the median of each round's; memory kept: the ratio where the published form's process"
        " keeps freed memory as ours does; floor: what ours' own operations need at"
        f" least, at the measured ceilings ({ceilings})."
        f" {where['processor']}, {where['cores']} cores, torch"
        f" {where['torch']} ([table](results/{MODELS_SPEED}.csv),"
        " `python -m tests.benchmarks.models_table`).",
        "",
        markdown(table),
    ]


def _speed(results: Path) -> list[str]:
    where = json.loads((results / f"{SPEED}.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(results / f"{SPEED}.csv").set_index("metric")
    rows = rows[["ours_ms", "reference_ms", "times_as_fast"]].T
    rows.index = pd.Index(["ours, ms", "reference, ms", "times as fast"], name="")
    return [
        f"**Speed of the metrics** on one {where['size']} pair in {where['dtype']}, beside a"
        " vectorised reference made of SciPy, scikit-learn and scikit-image in the same process;"
        f" {where['processor']}, {where['cores']} cores, torch {where['torch']}. Alone each"
        " metric checks and prepares its images; together they do it once"
        f" ([table](results/{SPEED}.csv), `python -m tests.benchmarks.table`).",
        "",
        markdown(rows.map("{:.1f}".format)),
    ]


def updated(readme: str, results: Path) -> str:
    """The text of README with its results section written anew.

    Raises FusionError where one of the two marks is missing.
    """
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise FusionError(f"README.md has no place for results: write {BEGIN} and {END} there.")
    return f"{before}{BEGIN}\n{results_section(results)}\n{END}{after}"


def main() -> int:
    """Rewrite README beside the results folder."""
    results = settings.results_root()
    file = results.parent / "README.md"
    file.write_text(updated(file.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
