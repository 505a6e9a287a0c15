"""The claims ledger: constructed rows for each verdict, margins from the printed table."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fusionlib import published
from fusionlib.experiments import (
    TABLE1_CLAIMS,
    TABLE2_CLAIMS,
    TABLE3_CLAIMS,
    TABLE5_CLAIMS,
    TABLE7_CLAIMS,
    bsp_tables,
    judge,
)  # fmt: skip
from fusionlib.experiments.bsp import TABLE1_ROWS
from fusionlib.experiments.claims import Claim

TABLE = published.load("bsp", 1)
HIGHER = Claim("helps", "here", "more is more", ("UPTP", 7500), ("SPTP", 150), "higher", ("MI",))
EQUAL = Claim("equals", "here", "all the same", ("UPTP", 150), ("SPTP", 150), "equal", ("EN",))


def rows(mode, trainable, gain, images=40, seeds=(0.0,), wobble=0.01, test_set="MSRS"):
    """Scores of one row: a course over images that all rows share, a gain, a wobble."""
    course = np.random.default_rng(0).normal(3.0, 0.5, images)
    # Alternating signs: exactly the gain in the mean of an even number of images.
    own = wobble * np.where(np.arange(images) % 2, 1, -1) if gain or wobble else 0.0
    parts = [
        pd.DataFrame(
            {"test_set": test_set, "mode": mode, "trainable": trainable, "seed": seed,
             "key": "k", "image": [f"{n:02d}" for n in range(images)],
             "EN": course + gain + own + shift, "MI": course + gain + own + shift}
        )
        for seed, shift in enumerate(seeds)
    ]  # fmt: skip
    return pd.concat(parts)


def verdict(claim, gain, spread=0.0, images=40, wobble=0.01):
    half = spread / 2**0.5  # of two seeds this far from their mean the deviation is `spread`
    per_image = pd.concat(
        [rows(*claim.row, gain, images, (0.0, 0.0), wobble),
         rows(*claim.against, 0.0, images, (-half, half), wobble=0.0)]
    )  # fmt: skip
    (row,) = judge(per_image, (claim,), TABLE, "bsp-cnn").itertuples()
    assert row.effect == pytest.approx(gain)
    assert row.seed_error == pytest.approx(spread)  # each row is a mean of two
    assert row.images == images
    return row.verdict


@pytest.mark.parametrize(
    ("gain", "spread", "images", "wobble", "wanted"),
    [
        (0.10, 0.02, 40, 0.01, "supported"),
        (-0.10, 0.02, 40, 0.01, "contradicted"),
        (0.10, 0.02, 20, 0.01, "supported"),
        (0.10, 0.02, 18, 0.01, "undecided"),  # fewer than 20 images
        (0.10, 0.051, 40, 0.01, "undecided"),  # below twice the spread over seeds
        (0.10, 0.049, 40, 0.01, "supported"),
        (-0.10, 0.051, 40, 0.01, "undecided"),
        (0.10, 0.0, 40, 0.5, "undecided"),  # the interval includes zero
        (0.10, 0.0, 40, 0.2, "supported"),
        (0.0, 0.0, 40, 0.01, "undecided"),
    ],
)
def test_higher(gain, spread, images, wobble, wanted):
    assert verdict(HIGHER, gain, spread, images, wobble) == wanted


# The margin of EN between UPTP 150 and SPTP 150 is 0.06: 6.59 - 6.54 on MSRS, and rounding.
@pytest.mark.parametrize(
    ("gain", "spread", "images", "wobble", "wanted"),
    [
        (0.0, 0.01, 40, 0.01, "supported"),
        (0.03, 0.01, 40, 0.01, "supported"),  # an effect, but within the margin
        (-0.03, 0.01, 40, 0.01, "supported"),
        (0.03, 0.01, 18, 0.01, "undecided"),  # fewer than 20 images
        (0.0, 0.031, 40, 0.01, "undecided"),  # twice the seeds' error is more than the margin
        (0.03, 0.014, 40, 0.01, "undecided"),  # and so is the effect with it
        (0.03, 0.01, 40, 0.1, "undecided"),  # the interval reaches over the margin
        (0.09, 0.01, 40, 0.01, "contradicted"),  # wholly beyond it
        (-0.09, 0.01, 40, 0.01, "contradicted"),
        (0.09, 0.016, 40, 0.01, "undecided"),  # beyond, but seeds may have made the rest
        (0.07, 0.001, 40, 0.1, "undecided"),
    ],
)
def test_equal(gain, spread, images, wobble, wanted):
    assert verdict(EQUAL, gain, spread, images, wobble) == wanted


def test_without_seeds_no_effect_is_above_their_spread():
    per_image = pd.concat([rows("UPTP", 7500, 0.5), rows("SPTP", 150, 0.0)])
    (row,) = judge(per_image, (HIGHER,), TABLE, "bsp-cnn").itertuples()
    assert np.isnan(row.seed_error)
    assert row.verdict == "undecided"


def test_a_missing_value_leaves_the_claim_undecided():
    high = rows("UPTP", 7500, 0.5)
    high.loc[high["image"] == "03", "MI"] = float("nan")
    per_image = pd.concat([high, rows("SPTP", 150, 0.0, seeds=(-0.01, 0.01))])
    (row,) = judge(per_image, (HIGHER,), TABLE, "bsp-cnn").itertuples()
    assert row.verdict == "undecided"


def test_images_are_paired_by_name_not_by_place():
    high = rows("UPTP", 7500, 0.1, seeds=(-0.01, 0.01)).sample(frac=1, random_state=1)
    low = rows("SPTP", 150, 0.0, seeds=(-0.01, 0.01), wobble=0.0)
    (row,) = judge(pd.concat([high, low]), (HIGHER,), TABLE, "bsp-cnn").itertuples()
    assert row.verdict == "supported"
    assert 0.09 < row.low < row.high < 0.11  # images themselves differ by 0.5


def test_spread_is_the_largest_among_the_rows_with_seeds():
    per_image = pd.concat(
        [rows("UPTP", 7500, 0.1), rows("SPTP", 150, 0.0, seeds=(-0.01, 0.01)),
         rows("UPTP", 150, 0.0, seeds=(-0.06, 0.0, 0.06))]
    )  # fmt: skip
    (row,) = judge(per_image, (HIGHER,), TABLE, "bsp-cnn").itertuples()
    # Of one training each: the compared rows share seed 0 alone.
    assert row.seed_error == pytest.approx(0.06 * 2**0.5)
    assert row.effect == pytest.approx(0.11)
    assert row.verdict == "undecided"


def test_rows_with_seeds_are_compared_by_their_own_spread():
    """What goes wrong in another row's training says nothing of these two."""
    per_image = pd.concat(
        [rows("UPTP", 7500, 0.1, seeds=(-0.02, 0.02)), rows("SPTP", 150, 0.0, seeds=(-0.01, 0.01)),
         rows("UPTP", 150, 0.0, seeds=(-0.6, 0.0, 0.6))]
    )  # fmt: skip
    (row,) = judge(per_image, (HIGHER,), TABLE, "bsp-cnn").itertuples()
    assert row.seed_error == pytest.approx(0.02 * 2**0.5)  # two trainings each
    assert row.verdict == "supported"


def test_a_claim_about_a_row_that_is_not_there_is_left_out():
    ledger = judge(rows("SPTP", 150, 0.0), (HIGHER,), TABLE, "bsp-cnn")
    assert ledger.empty
    assert list(ledger)[-1] == "verdict"


def test_each_test_set_is_judged_by_itself():
    per_image = pd.concat(
        [part for test_set, gain in (("MSRS", 0.2), ("LLVIP", -0.2))
         for part in (rows("UPTP", 7500, gain, test_set=test_set),
                      rows("SPTP", 150, 0.0, seeds=(-0.01, 0.01), test_set=test_set))]
    )  # fmt: skip
    ledger = judge(per_image, (HIGHER,), TABLE, "bsp-cnn")
    assert list(ledger["test_set"]) == ["MSRS", "LLVIP"]
    assert list(ledger["verdict"]) == ["supported", "contradicted"]


def test_margin_is_the_largest_difference_that_the_paper_prints():
    # EN of UPTP 150 and SPTP 150: 6.59, 6.54; 7.33, 7.37; 6.93, 6.95 in the CNN's columns,
    # 6.60, 6.52; 7.33, 7.08; 6.93, 6.79 in the GAN's.
    per_image = pd.concat([rows("UPTP", 150, 0.0), rows("SPTP", 150, 0.0)])
    for model, margin in (("bsp-cnn", 0.06), ("bsp-gan", 0.26)):
        (row,) = judge(per_image, (EQUAL,), TABLE, model).itertuples()
        assert row.margin == pytest.approx(margin)


def test_claims_are_about_rows_and_metrics_that_the_table_has():
    names = [claim.name for claim in TABLE1_CLAIMS]
    assert len(set(names)) == len(names)
    printed = set(TABLE.values[["mode", "trainable"]].itertuples(index=False, name=None))
    for claim in TABLE1_CLAIMS:
        assert {claim.row, claim.against} <= set(TABLE1_ROWS) & printed
        assert set(claim.metrics) <= set(TABLE.metrics)
        assert claim.kind in ("higher", "equal")


def test_a_difference_of_differences():
    claim = Claim("c", "w", "s", ("UPTP", 7500), ("SPTP", 150), "higher", ("EN",),
                  (("UPTP", 15000), ("SPTP", 15000)))  # fmt: skip
    gains = {("UPTP", 7500): 0.5, ("SPTP", 150): 0.0, ("UPTP", 15000): 0.9, ("SPTP", 15000): 0.6}
    per_image = pd.concat(
        rows(*name, gain, seeds=(-0.01, 0.01), wobble=0.0) for name, gain in gains.items()
    )
    (row,) = judge(per_image, (claim,), TABLE, "bsp-cnn").itertuples()
    assert row.effect == pytest.approx(0.5 - (0.9 - 0.6))
    assert row.verdict == "supported"
    assert judge(rows("UPTP", 7500, 0.5), (claim,), TABLE, "bsp-cnn").empty


NOT_BORNE_OUT = {
    1: {("still-more-unpaired-helps", "Qabf")},  # MSRS: 0.65 and 0.65
    2: {("llvip-infrared-m3fd-visible-helps", "SSIM")},
    3: set(),
    5: set(),
    7: {*((f"all-terms-beat-{setting}", "MI") for setting in ("I", "II", "III", "IV")),
        ("all-terms-beat-III", "EN"), ("all-terms-beat-IV", "VIF")},
}  # fmt: skip
ALL_CLAIMS = {
    1: TABLE1_CLAIMS, 2: TABLE2_CLAIMS, 3: TABLE3_CLAIMS, 5: TABLE5_CLAIMS, 7: TABLE7_CLAIMS,
}  # fmt: skip


@pytest.mark.parametrize("number", ALL_CLAIMS)
def test_the_papers_own_numbers_support_the_papers_claims(number):
    # Every image at the printed mean, seeds alike: what the paper says must then hold.
    table, claims = TABLE if number == 1 else bsp_tables.printed(number), ALL_CLAIMS[number]
    cells = table.values.query("model == 'bsp-cnn'")
    wide = cells.pivot(index=["test_set", "mode", "trainable"], columns="metric", values="value")
    per_image = pd.concat(
        wide.reset_index().assign(image=f"{n:02d}", seed=seed, key="k")
        for n in range(20) for seed in range(2)
    )  # fmt: skip
    ledger = judge(per_image, claims, table, "bsp-cnn")
    tests = cells["test_set"].nunique()
    assert len(ledger) == tests * sum(len(claim.metrics) for claim in claims)
    higher = ledger[ledger["kind"] == "higher"]
    np.testing.assert_allclose(higher["effect"], higher["paper"], atol=1e-9)
    against = higher[higher["paper"] < 1e-9]
    assert (higher.drop(against.index)["verdict"] == "supported").all()
    # Sentences that the table beside them does not bear out in every metric.
    assert set(zip(against["claim"], against["metric"], strict=True)) == NOT_BORNE_OUT[number]
    equal = ledger[ledger["kind"] == "equal"]
    assert (equal["effect"].abs() <= equal["margin"] + 1e-9).all()
    assert "contradicted" not in set(equal["verdict"])


def test_rows_that_are_all_alike_may_differ_as_any_two_of_them():
    """Of the three printed rows two differ by more than the two that are compared."""
    names = [("SPTP", 150), ("UPTP", 150), ("UPTP", 15_000)]
    values = TABLE.values.query("model == 'bsp-cnn'").set_index(["test_set", "mode", "trainable"])
    en = values[values["metric"] == "EN"]["value"]
    apart = max(
        abs(en[test_set, *one] - en[test_set, *other])
        for test_set in en.index.unique("test_set")
        for one in names
        for other in names
    )
    claim = dataclasses.replace(EQUAL, among=tuple(names), rounded=0.001)
    per_image = pd.concat([rows("UPTP", 150, 0.0), rows("SPTP", 150, 0.0)])
    of_two, of_all = (
        judge(per_image, (one,), TABLE, "bsp-cnn").set_index("metric")["margin"]["EN"]
        for one in (EQUAL, claim)
    )
    assert of_all == pytest.approx(apart + 0.001)
    assert of_two < of_all
