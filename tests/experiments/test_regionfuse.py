"""RegionFuse's rows, captions and printed tables, without training."""

import pandas as pd
import pytest

from fusionlib import experiments
from fusionlib.experiments import regionfuse, regionfuse_claims, regionfuse_efficiency
from fusionlib.experiments.claims import Claim
from fusionlib.experiments.regionfuse_profiles import REGIONFUSE
from fusionlib.models import create_model
from fusionlib.models.cost import cost

MAKERS = (regionfuse.region_sizes, regionfuse.experts, regionfuse.gradients, regionfuse.loads,
          regionfuse.encoders)  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return {make: {row.mode: row for row in make("smoke")} for make in MAKERS}


def test_the_usual_setting_is_one_training_whatever_a_table_calls_it(rows):
    usual = rows[regionfuse.encoders][regionfuse.OURS].specs
    assert len(usual) == REGIONFUSE["smoke"].seeds
    for make, mode in ((regionfuse.experts, "E4-K2"), (regionfuse.gradients, "lambda = 5"),
                       (regionfuse.loads, "mu = 5")):  # fmt: skip
        assert rows[make][mode].specs == usual


def test_other_rows_have_one_seed_unless_told(rows):
    for several in rows.values():
        many = sorted(len(row.specs) for row in several.values())
        assert many == [1] * (len(several) - 1) + [REGIONFUSE["smoke"].seeds]
    assert [len(row.specs) for row in regionfuse.encoders("smoke", seeds=3)] == [3, 3, 3]


def test_rows_change_what_they_say(rows):
    assert dict(rows[regionfuse.region_sizes]["R = 32"].specs[0].options)["region"] == 32
    options = dict(rows[regionfuse.experts]["E6-K1"].specs[0].options)
    assert (options["experts"], options["chosen"]) == (6, 1)
    assert rows[regionfuse.gradients]["lambda = 20"].specs[0].loss.gradient == 20
    assert rows[regionfuse.loads]["mu = 0.5"].specs[0].loss.load == 0.5
    plain, restored = (rows[regionfuse.encoders][mode].specs[0] for mode in ("PIAF", "PIAF*"))
    assert (plain.model, plain.options) == ("piafusion", ())
    assert dict(restored.options) == {"encoder": "xrestormer"}
    for several in rows.values():
        keys = [spec.key for row in several.values() for spec in row.specs]
        assert len(keys) == len(set(keys))


def test_captions_name_what_all_rows_share():
    assert regionfuse.length(regionfuse.region_sizes("smoke")).startswith("reconstruction, C = 4; ")
    assert "C = 4, R = 8;" in regionfuse.length(regionfuse.experts("smoke"))
    encoders = regionfuse.length(regionfuse.encoders("smoke"))
    assert "C = 4, R = 8, PIAFusion at its full width;" in encoders
    assert encoders.endswith(
        "20 steps (PIAF 40) of 2 patches of 32x32 of scenes, the load loss in the first 14"
    )


def test_a_single_expert_keeps_its_probability_as_weight():
    for row in regionfuse.experts("smoke"):
        options = dict(row.specs[0].options)
        assert options.get("renormalised", True) == (options.get("chosen") != 1)


@pytest.mark.parametrize(
    ("number", "mode", "metric", "value"),
    [(1, "R = 48", "SF", 12.115), (1, "R = 64", "AG (inner)", 3.931),
     (1, "R = 64", "AG (pixels)", 3.931), (2, "lambda = 10", "VIF", 1.057),
     (3, "mu = 0.5", "Qcb (nyquist)", 0.592), (5, "PIAF*", "SF", 13.41)],
)  # fmt: skip
def test_printed_cells_stand_beside_each_candidate(number, mode, metric, value):
    cells = regionfuse.printed(number).values.query("mode == @mode")
    assert cells.set_index("metric").loc[metric, "value"] == value


def scored(mode, *sharpness):
    """A row of one image and a seed each, all metrics alike."""
    return pd.DataFrame(
        {"mode": mode, "seed": seed, "image": "a"} | dict.fromkeys(regionfuse.LABELS, value)
        for seed, value in enumerate(sharpness)
    )


def test_rows_are_ranked_over_the_seeds_that_all_have():
    rows = pd.concat([scored("usual", 2.0, 9.0, 0.0), scored("low", 1.0), scored("high", 3.0)])
    ranked = regionfuse.ranks(rows)
    assert ranked["RoR"].to_dict() == {"usual": 2, "low": 3, "high": 1}
    by_seed = regionfuse.ranks_by_seed(rows, "usual")
    assert by_seed["RoR"].tolist() == [2, 1, 3]
    assert by_seed["MR"].tolist() == [2, 1, 3]


def test_claims_speak_of_rows_that_the_paper_profile_trains():
    sizes = REGIONFUSE["paper"]
    modes = {f"R = {r}" for r in sizes.regions} | {f"E{e}-K{k}" for e, k in sizes.grid}
    modes |= {f"lambda = {x:g}" for x in sizes.gradients} | {f"mu = {x:g}" for x in sizes.loads}
    modes |= {regionfuse.OURS, regionfuse.PIAF, regionfuse.PIAF_X}
    claims = [claim for value in vars(regionfuse_claims).values() if isinstance(value, tuple)
              for claim in value if isinstance(claim, Claim)]  # fmt: skip
    assert len(claims) >= 10
    assert {mode for claim in claims for mode, _ in claim.rows} <= modes
    in_ledger = {c.name for several in experiments.CLAIMS.values() for c in several}
    assert {claim.name for claim in claims} <= in_ledger


def test_memory_grows_with_the_fourth_power_of_small_regions():
    memory = regionfuse.region_memory(64, 192)
    assert memory.loc[16, "tokens"] == 128 * 144
    assert memory.loc[16, "dense, GB"] == pytest.approx(3 * 4 * (128 * 144) ** 2 * 4 / 1e9)
    assert memory.loc[16, "gathered, GB"] == pytest.approx(memory.loc[16, "dense, GB"] / 4)
    assert memory.loc[16, "dense, GB"] == pytest.approx(81 * memory.loc[48, "dense, GB"])


def test_efficiency_is_counted_as_the_paper_counts():
    found = regionfuse_efficiency.efficiency(repeats=0).set_index(["model", "metric"])
    assert found.loc[("cddfuse", "FLOPs (G)"), "ours"] == pytest.approx(547.74, abs=0.005)
    difference = found["ours"] / found["paper"] - 1
    assert difference.abs().max() < 0.01


def test_attention_is_counted_and_timed_with_an_even_load():
    found = regionfuse_efficiency.efficiency(1, 96, 96).pivot(
        index="model", columns="metric", values="ours"
    )
    assert (found["Time (ms)"] > 0).all()
    attention = found["with attention (G)"] - found["FLOPs (G)"]
    assert abs(attention["piafusion"]) < 1e-3  # it has none
    # Three rounds of 4 experts with half of 128 x 2 x 2 tokens each, of 48^2 numbers: scores
    # and answers.
    tokens, pixels = 512, 48**2
    routed = 3 * 4 * 2 * (tokens / 2) ** 2 * pixels / 1e9
    shapes = create_model("regionfuse", masks="drawn").to("meta")
    dense = 3 * (1 + 4) * tokens**2 * pixels / 1e9  # scores once, four answers
    others = cost(shapes, 96, 96).macs / 1e9 - found.loc["regionfuse", "FLOPs (G)"] - dense
    assert attention["regionfuse"] - others == pytest.approx(routed, rel=0.05)
