"""The ledger: one verdict a claim, from the comparisons that a table's notebook wrote."""

import pandas as pd
import pytest

from fusionlib import experiments, report
from fusionlib.report import readme_tables
from fusionlib.runner.notebooks import find

TABLE3 = "beyond_strict_pairing/table3_base_size"


def write(root, *comparisons):
    folder = root / TABLE3 / "quick"
    folder.mkdir(parents=True)
    columns = ["claim", "metric", "test_set", "images", "paper", "effect", "low", "high",
               "verdict"]  # fmt: skip
    rows = [("arbitrary-helps-15", *row) for row in comparisons]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "claims.csv", index=False)


def verdict(root):
    found = experiments.ledger(root, "quick").set_index("claim")
    return found.loc["arbitrary-helps-15"]


SUPPORTED = ("EN", "MSRS", 31, 0.1, 0.5, 0.4, 0.6, "supported")
OPEN = ("MI", "MSRS", 31, 0.1, 0.5, -0.4, 0.6, "undecided")
FEW = ("MI", "M3FD", 4, 0.1, 0.5, 0.4, 0.6, "undecided")
AGAINST = ("VIF", "MSRS", 31, 0.1, -0.5, -0.6, -0.4, "contradicted")


@pytest.mark.parametrize(
    ("comparisons", "wanted", "shown"),
    [
        ([SUPPORTED], "supported", SUPPORTED),
        ([FEW, SUPPORTED], "supported", SUPPORTED),
        ([SUPPORTED, OPEN], "undecided", OPEN),
        ([FEW], "undecided", FEW),
        ([SUPPORTED, AGAINST], "contradicted", AGAINST),
    ],
)
def test_a_claim_has_the_verdict_of_its_comparisons(tmp_path, comparisons, wanted, shown):
    write(tmp_path, *comparisons)
    row = verdict(tmp_path)
    assert row["verdict"] == wanted
    assert row["supported"] == sum(c[-1] == "supported" for c in comparisons)
    # The comparison that decided stands beside the verdict.
    assert (row["metric"], row["test_set"], row["effect"]) == (shown[0], shown[1], shown[4])
    assert row["test_sets"] == ("MSRS" if len(comparisons) > 1 or shown is not FEW else "")


def test_what_was_not_measured_says_so(tmp_path):
    found = experiments.ledger(tmp_path, "quick")
    assert set(found["verdict"]) == {"not measured"}
    write(tmp_path, SUPPORTED)
    assert (experiments.ledger(tmp_path, "quick")["verdict"] != "not measured").sum() == 1
    assert (experiments.ledger(tmp_path, "paper")["verdict"] != "not measured").sum() == 0


def test_readme_knows_every_paper_of_the_ledger():
    papers = {notebook.partition("/")[0] for notebook in experiments.CLAIMS}
    assert papers <= readme_tables.PAPERS.keys()


def test_names_are_unique_and_notebooks_exist():
    claims = [claim for several in experiments.CLAIMS.values() for claim in several]
    assert len({claim.name for claim in claims}) == len(claims) >= 25
    assert set(experiments.CLAIMS) <= {notebook.name for notebook in find()}


def test_the_figure_has_a_bar_a_measured_claim(tmp_path):
    write(tmp_path, SUPPORTED, AGAINST)
    found = experiments.ledger(tmp_path, "quick")
    measured = found[found["verdict"] != "not measured"]
    figure = report.ledger_bars(found, "profile quick")
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == measured["claim"].tolist()
    assert sum(bar.get_width() for bar in axis.patches) == 2
    (caption,) = (text.get_text() for text in figure.texts)
    assert caption == f"profile quick; {len(found) - len(measured)} claims are not measured"


def test_many_claims_stand_in_columns(tmp_path):
    found = experiments.ledger(tmp_path, "quick")
    found = found.assign(verdict="undecided", supported=1, contradicted=0, undecided=2)
    axes = report.ledger_bars(found, "profile quick").axes
    assert len(axes) == -(-len(found) // 50)
    labels = [label.get_text() for axis in axes for label in axis.get_yticklabels()]
    assert labels == found["claim"].tolist()
    assert report.ledger_bars(found.assign(verdict="not measured")).axes  # an empty one
