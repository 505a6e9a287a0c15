"""README's results section: written from results/, and up to date in this checkout."""

import json
from pathlib import Path

import pandas as pd
import pytest

from fusionlib.errors import FusionError
from fusionlib.report import readme, readme_tables

CHECKOUT = Path(__file__).parents[2]
TABLE1 = f"{readme_tables.BSP}/table1_generalisation/quick"
TEXT = f"# Title\n\nbefore\n\n{readme.BEGIN}\nold\n{readme.END}\n\nafter\n"


@pytest.fixture
def results(tmp_path):
    table, figure = tmp_path / TABLE1, tmp_path / readme.FIGURE2
    table.mkdir(parents=True)
    figure.mkdir(parents=True)
    rows = [
        {"test_set": test_set, "mode": mode, "trainable": trainable, "metric": metric,
         "paper": 6.54, "ours": 6.625, "difference": 0.085, "seeds": 3, "spread": spread,
         "images": images}
        for test_set, images in (("MSRS", 21), ("LLVIP", 33))
        for mode, trainable, spread in (("SPTP", 150, 0.0123), ("APTP", 15000, None))
        for metric in ("EN", "MI")
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(table / "table.csv", index=False)
    record = {"notes": ["profile quick"]}
    (table / "record.json").write_text(json.dumps(record))
    (figure / "record.json").write_text(json.dumps({"notes": ["MSRS, 3 images"]}))
    speed = tmp_path / readme.SPEED
    speed.parent.mkdir()
    where = {"size": "640x480", "dtype": "float32", "processor": "Abacus", "cores": 2, "torch": "9"}
    speed.with_suffix(".json").write_text(json.dumps(where))
    times = {"metric": ["EN", "VIF"], "ours_ms": [0.5, 9.96], "reference_ms": [1, 30.04],
             "times_as_fast": [2, 3.02]}  # fmt: skip
    pd.DataFrame(times).to_csv(speed.with_suffix(".csv"), index=False)
    return tmp_path


def test_section_shows_what_results_hold(results):
    section = readme.results_section(results)
    assert "640x480 pair in float32" in section
    assert "Abacus, 2 cores" in section
    assert "| ours, ms | 0.5 | 10.0 |" in section
    assert "| times as fast | 2.0 | 3.0 |" in section
    assert "MSRS (21 images), LLVIP (33 images)" in section
    assert r"| MSRS | SPTP 150 | 6.54 \| 6.62 ± 0.012 | 6.54 \| 6.62 ± 0.012 |" in section
    assert r"| LLVIP | APTP 15,000 | 6.54 \| 6.62 | 6.54 \| 6.62 |" in section
    assert "<summary>Table 1, CNN</summary>" in section
    assert "33 images); profile quick\n" in section
    assert "MSRS, 3 images." in section
    assert "panels.png" not in section  # a picture that is not there is not shown
    (results / TABLE1 / "panels.png").touch()
    assert f"results/{TABLE1}/panels.png" in readme.results_section(results)


def test_claims_are_counted_and_listed(results):
    assert "claims of" not in readme.results_section(results)
    rows = [
        {"where": "Table 1", "says": f"It helps {k}.", "verdict": verdict, "supported": yes,
         "contradicted": no, "undecided": 1,
         "notebook": f"{'ssvif' if k == 5 else 'beyond_strict_pairing'}/table"}
        for k, (verdict, yes, no) in enumerate(
            [("supported", 3, 0), ("undecided", 0, 0), ("not measured", None, None)] * 2
        )
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(results / readme_tables.CLAIMS, index=False)
    section = readme.results_section(results)
    assert "**5 claims of Beyond Strict Pairing**: 2 supported, 2 undecided, 1 not" in section
    assert "; **1 claims of SSVIF**: 1 not measured" in section
    assert "| Table 1 | It helps 0. | supported | 3 / 0 / 1 |" in section
    assert "It helps 2." not in section  # the ledger itself lists what is not measured


def test_methods_of_one_table_stand_below_each_other(results):
    folder = results / readme_tables.BSP / "table6_other_methods" / "quick"
    folder.mkdir(parents=True)
    one = pd.read_csv(results / TABLE1 / "table.csv")
    both = pd.concat([one.assign(method="cddfuse"), one.assign(method="tgfuse", ours=7.0)])
    both.to_csv(folder / "table.csv", index=False)
    (folder / "record.json").write_text(json.dumps({"notes": ["profile quick"]}))
    section = readme.results_section(results)
    assert r"| cddfuse | MSRS | SPTP 150 | 6.54 \| 6.62 ± 0.012 |" in section
    assert r"| tgfuse | MSRS | SPTP 150 | 6.54 \| 7.00 ± 0.012 |" in section


def test_models_are_shown_beside_their_published_form(results):
    assert "Speed of the models" not in readme.results_section(results)
    speed = results / readme.MODELS_SPEED
    where = {"step": "8 patches", "tiled, whole": "one pair", "processor": "Abacus", "cores": 2,
             "torch": "9", "ceilings": {"copy, Gbyte/s": 12.5}}  # fmt: skip
    speed.with_suffix(".json").write_text(json.dumps(where))
    row = {"model": "bsp-cnn", "task": "step", "precision": "float32", "ours_ms": 390.4,
           "published_ms": 600.2, "ratio": 0.651, "ratio_kept": 0.7,
           "over_floor": 1.43}  # fmt: skip
    pd.DataFrame([row]).to_csv(speed.with_suffix(".csv"), index=False)
    section = readme.results_section(results)
    assert "a training step (8 patches), and fusing (one pair)" in section
    assert "| bsp-cnn step, float32 | 390 | 600 | 0.651 | 0.700 | 1.4 |" in section
    assert "copy, Gbyte/s 12.5" in section


@pytest.fixture
def table4(results):
    """Table 4 beside the others: one model, authors' weights and ours, on two sets."""
    folder = results / readme.TABLE4
    folder.mkdir(parents=True)
    sage, cnn = ("SAGE", "sage"), ("CNN, printed", "bsp-cnn")
    printed = [
        (*sage, 1.11, "MSRS"),
        (*sage, 2.23, "TNO"),
        (*cnn, 2.69, "MSRS"),
        (*cnn, 2.23, "TNO"),
    ]
    rows = [
        {"test_set": test_set, "row": row, "method": method, "weights": "printed", "on": "",
         "metric": "MI", "paper": paper}
        for row, method, paper, test_set in printed
    ]  # fmt: skip
    for test_set, counts in (("MSRS", (181, 31)), ("TNO", (58, 20))):
        for weights, on, images, ours in zip(
            ("released", "trained"), ("all", "listed"), counts, (2.714, 2.5), strict=True
        ):
            rows.append(
                {"test_set": test_set, "row": f"CNN, {weights}", "method": "bsp-cnn", "on": on,
                 "weights": weights, "images": images, "metric": "MI", "paper": 2.69, "ours": ours,
                 "difference": ours - 2.69, "spread": 0.034 if weights == "trained" else None}
            )  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    sizes = {"model": ["bsp-cnn"], "MB printed": ["0.81"], "MB": ["0.820"],
             "parameters": ["214,882"], "GMAC": ["21.15"]}  # fmt: skip
    pd.DataFrame(sizes).to_csv(folder / "sizes.csv", index=False)
    (folder / "record.json").write_text(json.dumps({"notes": ["profile quick", "gan left out"]}))
    return results


def test_section_shows_table_4_where_it_was_measured(table4):
    section = readme.results_section(table4)
    assert (
        "MSRS (181 and 31 images), TNO (58 and 20 images). profile quick; gan left out." in section
    )
    assert r"| MSRS | CNN | 2.69 \| 2.71 \| 2.50 ± 0.034 |" in section
    assert "| MSRS | best of the others | 1.11 |" in section
    assert "1 of 1 numbers" in section
    assert "MI 0.1" in section
    assert "| bsp-cnn | 0.81 | 0.820 | 214,882 | 21.15 |" in section
    assert "look swapped" in section
    assert f"results/{readme.TABLE4}/table4.png" in section


def test_section_without_table_4(results):
    assert "Table 4" not in readme.results_section(results)


def test_updated_changes_only_what_is_between_the_marks(results):
    once = readme.updated(TEXT, results)
    assert once.startswith(f"# Title\n\nbefore\n\n{readme.BEGIN}\n")
    assert once.endswith(f"{readme.END}\n\nafter\n")
    assert "old" not in once
    assert readme.updated(once, results) == once


def test_updated_follows_the_results(results):
    before = readme.updated(TEXT, results)
    table = results / TABLE1 / "table.csv"
    pd.read_csv(table).assign(ours=7.0).to_csv(table, index=False)
    after = readme.updated(before, results)
    assert r"6.54 \| 7.00" in after
    assert "6.62" not in after


@pytest.mark.parametrize("text", ["# Title\n", f"# Title\n{readme.BEGIN}\nthe rest of README\n"])
def test_missing_marks_are_an_error_and_lose_nothing(results, text):
    with pytest.raises(FusionError, match="no place for results"):
        readme.updated(text, results)


def test_main_writes_beside_the_results(results, monkeypatch):
    root = results / "results"
    root.mkdir()
    for folder in ("beyond_strict_pairing", "benchmarks"):
        (results / folder).rename(root / folder)
    (results / "README.md").write_text(TEXT, encoding="utf-8")
    monkeypatch.setenv("FUSIONLIB_RESULTS", str(root))
    assert readme.main() == 0
    assert (results / "README.md").read_text(encoding="utf-8") == readme.updated(TEXT, root)


needs_results = pytest.mark.skipif(
    not (CHECKOUT / "results" / TABLE1).is_dir(),
    reason=f"results/{TABLE1} has not been measured yet",
)


@needs_results
def test_readme_of_this_checkout_is_up_to_date():
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert text == readme.updated(text, CHECKOUT / "results"), (
        "run python -m fusionlib.report.readme"
    )


@needs_results
def test_pictures_that_readme_shows_exist():
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    shown = [line.rpartition("(")[2].rstrip(")") for line in text.splitlines() if line[:2] == "!["]
    assert shown
    assert [path for path in shown if not (CHECKOUT / path).is_file()] == []
