"""Joint histograms of relations: counted without the pairs, equal to counting each pair."""

import math

import pytest
import torch

from fusionlib.data.base import Base
from fusionlib.experiments import relationships
from fusionlib.pairing import RELATIONS, Draw, decode, relation_size


@pytest.fixture
def base():
    torch.manual_seed(0)
    return Base(*(torch.randint(0, 256, (n, 6, 5), dtype=torch.uint8) for n in (4, 4)))


@pytest.mark.parametrize("kind", relationships.KINDS)
@pytest.mark.parametrize("relation", RELATIONS)
def test_it_is_what_counting_every_pair_gives(base, relation, kind):
    numbers = torch.arange(relation_size(relation, 4, 4)).numpy()
    slow = torch.zeros(64, 64, dtype=torch.float64)
    ir, vi = (relationships.cells(patches, kind) for patches in (base.ir, base.vi))
    for i, j in decode(relation, numbers, 4, 4):
        for a, b in zip(ir[i].flatten(), vi[j].flatten(), strict=True):
            slow[a, b] += 1
    assert torch.equal(relationships.joint(base, relation, kind), slow)


def test_relations_of_unequal_sides_add_up():
    base = Base(torch.full((3, 2, 2), 9, dtype=torch.uint8), torch.zeros(5, 2, 2).byte())
    assert relationships.joint(base, "arbitrary").sum() == 15 * 4
    assert relationships.joint(base, "unpaired").sum() == 12 * 4


def test_entropy_and_coverage_of_known_histograms():
    one = torch.zeros(8, 8)
    one[3, 4] = 7
    assert (relationships.entropy(one), relationships.coverage(one)) == (0, 1 / 64)
    assert relationships.entropy(torch.ones(8, 8)) == pytest.approx(6)
    one[0, 0] = 7
    assert relationships.entropy(one) == pytest.approx(1)


def test_levels_fall_into_equal_cells():
    levels = torch.tensor([[[0, 3, 4, 255]]], dtype=torch.uint8)
    assert relationships.cells(levels, "intensity").tolist() == [[[0, 0, 1, 63]]]
    flat = torch.full((1, 4, 4), 200, dtype=torch.uint8)
    assert (relationships.cells(flat, "gradient") == 0).all()


def test_more_patches_reach_more(base):
    grown = relationships.against_size(base, [1, 2, 4])
    assert len(grown) == 2 * 3 * 3 - 2  # one patch a side has no unpaired pair
    for _, here in grown.groupby(["kind", "relation"]):
        assert here["coverage"].is_monotonic_increasing
    last = grown[(grown["patches"] == 4) & (grown["kind"] == "intensity")].set_index("relation")
    assert last["pairs"].to_dict() == {"strict": 4, "unpaired": 12, "arbitrary": 16}
    assert last.loc["arbitrary", "coverage"] >= last.loc["strict", "coverage"]


def test_draws_meet_more_each_epoch_unless_they_are_kept(base):
    draws = {
        "once": Draw("arbitrary", 4, 4, 5, redraw=False),
        "anew": Draw("arbitrary", 4, 4, 5),
        "all": Draw("arbitrary", 4, 4, 16),
    }
    table = relationships.over_epochs(base, draws, (1, 10)).set_index(["draw", "epochs"])
    assert table.loc[("once", 10), "met"] == table.loc[("once", 1), "met"] == 5 / 16
    assert table.loc[("anew", 10), "met"] > 5 / 16
    assert table.loc[("all", 1), "met"] == 1
    whole = relationships.coverage(relationships.joint(base, "arbitrary"))
    assert math.isclose(table.loc[("all", 1), "coverage"], whole)
