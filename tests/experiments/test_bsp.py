"""The runs of Table 1 and Figure 2, per profile, without training them."""

import dataclasses

import pytest

from fusionlib.data import open_pairs
from fusionlib.data.base import PatchSource, joined, patch_source
from fusionlib.errors import FusionError
from fusionlib.experiments import Row, bsp, profile
from fusionlib.pairing import relation_size
from fusionlib.training import Spec

ROWS = [
    ("SPTP", 150, "strict"), ("UPTP", 150, "unpaired"), ("UPTP", 7500, "unpaired"),
    ("UPTP", 15000, "unpaired"), ("SPTP", 15000, "strict"), ("APTP", 15000, "arbitrary"),
]  # fmt: skip
LABELS = ["SPTP 150", "UPTP 150", "UPTP 7,500", "UPTP 15,000", "SPTP 15,000", "APTP 15,000"]


def patches(source, height=480, width=640):
    """How many patches a source gives, from the sizes alone."""
    height, width = source.size or (height, width)
    down, across = ((side - source.patch) // source.stride + 1 for side in (height, width))
    return len(source.images) * down * across


@pytest.fixture(scope="module")
def smoke():
    return bsp.table1("smoke")


@pytest.fixture(scope="module")
def quick(data_root):
    return bsp.table1("quick", data=data_root)


@pytest.fixture
def paper(monkeypatch):
    """The rows at the papers' sizes, over image names alone: 1,083 scenes are not at hand."""
    every = tuple(f"{i:05d}D" for i in range(1083))

    def names_alone(pairs, side, patch, stride):
        return PatchSource(side, "MSRS", "train", pairs, "0" * 16, patch, stride)

    monkeypatch.setattr(
        bsp, "open_pairs", lambda dataset, split, data, names, size: tuple(names or every)
    )
    monkeypatch.setattr(bsp, "patch_source", names_alone)
    return bsp.table1("paper")


def test_smoke_has_the_papers_rows_in_order(smoke):
    assert [(row.mode, row.trainable) for row in smoke] == [row[:2] for row in ROWS]
    assert [row.label for row in smoke] == LABELS
    assert [row.specs[0].relation for row in smoke] == [row[2] for row in ROWS]
    assert [row.specs[0].pairs for row in smoke] == [16, 16, 32, 64, 64, 64]
    assert [len(row.specs) for row in smoke] == [2, 2, 1, 1, 1, 1]


def test_some_rows_and_a_length_for_a_trial():
    rows = bsp.table1("smoke", seeds=1, steps=7, only="uptp 7500, APTP 15,000")
    assert [row.label for row in rows] == ["SPTP 150", "UPTP 7,500", "APTP 15,000"]
    assert [spec.total_steps for row in rows for spec in row.specs] == [7, 7, 7]
    assert rows[1].specs[0].pairs == 32


def test_a_row_that_is_not_in_the_table_is_refused():
    with pytest.raises(FusionError, match=r"no row 'UPTP 30': it has SPTP 150, UPTP 150"):
        bsp.table1("smoke", only="UPTP 30")


def test_seeds_count_from_0_and_all_runs_differ(smoke):
    specs = [spec for row in smoke for spec in row.specs]
    assert len({spec.key for spec in specs}) == len(specs) == 8
    assert all([s.seed for s in row.specs] == list(range(len(row.specs))) for row in smoke)
    assert [len(row.specs) for row in bsp.table1("smoke", seeds=1)] == [1] * 6


def test_all_rows_of_smoke_take_the_same_number_of_steps(smoke):
    assert {spec.total_steps for row in smoke for spec in row.specs} == {30}


def test_every_row_of_smoke_can_be_drawn(smoke):
    for spec in (spec for row in smoke for spec in row.specs):
        sides = patches(spec.ir), patches(spec.vi)
        assert spec.pairs <= relation_size(spec.relation, *sides)


def test_rows_share_the_narrow_base_but_for_the_wide_strict_one(smoke):
    bases = [(row.specs[0].ir, row.specs[0].vi) for row in smoke]
    assert len({bases[k] for k in (0, 1, 2, 3, 5)}) == 1
    assert set(bases[0][0].images) < set(bases[4][0].images)
    assert [source.modality for source in bases[4]] == ["ir", "vi"]


def test_figure_2_follows_the_rows_of_150_pairs(smoke):
    rows = bsp.figure2("smoke")
    assert rows[:2] == smoke[:2]
    assert [row.label for row in rows] == ["SPTP 150", "UPTP 150"] * 3
    models = [row.specs[0].model for row in rows]
    assert models == [name for name in bsp.BASELINES for _ in range(2)]
    assert rows[4:] == bsp.table1("smoke", "bsp-gan")[:2]
    assert bsp.figure2("smoke", ("bsp-cnn",), seeds=1) == bsp.table1("smoke", seeds=1)[:2]


def test_all_but_the_cnn_may_be_trained_for_less(smoke):
    lengths = {model: bsp.length(bsp.table1("smoke", model)) for model in bsp.BASELINES}
    assert lengths == dict(
        zip(bsp.BASELINES, ("30 steps each", *["4 steps each"] * 2), strict=True)
    )
    assert bsp.length(bsp.table1("smoke", "bsp-gan", steps=5)) == "5 steps each"


def test_a_caption_says_how_long_rows_are_trained(smoke):
    few, many = (
        dataclasses.replace(smoke[2].specs[0], steps=None, epochs=3, pairs=n) for n in (16, 32)
    )
    assert bsp.length([Row("UPTP", 150, (few,)), Row("UPTP", 7500, (many,))]) == "3 epochs each"
    more = dataclasses.replace(many, epochs=5)
    assert bsp.length([Row("UPTP", 150, (few,)), Row("UPTP", 7500, (more,))]) == "6 to 20 steps"


def test_the_table_is_described(smoke):
    table = bsp.describe(smoke)
    assert list(table.index) == LABELS
    assert table["T"].tolist() == [16, 16, 32, 64, 64, 64]
    assert table["steps"].tolist() == [30] * 6
    assert table.loc["SPTP 150", "runs"].split() == [spec.key for spec in smoke[0].specs]


def test_the_first_training_of_start_here():
    spec = bsp.first_steps("smoke", "unpaired")
    assert (spec.relation, spec.total_steps) == ("unpaired", 60)
    assert bsp.first_steps("smoke", "strict", steps=5, seed=3).total_steps == 5


def test_the_papers_sizes(paper):
    specs = [row.specs[0] for row in paper]
    assert [spec.pairs for spec in specs] == [150, 150, 7500, 15000, 15000, 15000]
    assert [spec.total_steps for spec in specs] == [1800, 1800, 93700, 187500, 187500, 187500]
    assert [len(row.specs) for row in paper] == [3, 3, 1, 1, 1, 1]
    assert [patches(spec.ir) for spec in specs] == [150, 150, 150, 150, 16245, 150]
    for spec in specs:
        assert (spec.batch, spec.lr, spec.precision, spec.redraw) == (8, 1e-4, "float32", True)
        assert (spec.ir.patch, spec.ir.stride) == (128, 128)
        assert spec.pairs <= relation_size(spec.relation, patches(spec.ir), patches(spec.vi))


def test_quick_trains_all_rows_for_the_steps_of_the_first(quick):
    assert [row.label for row in quick] == LABELS
    specs = [row.specs[0] for row in quick]
    assert [spec.pairs for spec in specs] == [150, 150, 7500, 15000, 15000, 15000]
    assert {spec.total_steps for row in quick for spec in row.specs} == {1800}
    assert [spec.epochs for spec in specs] == [100, 100, None, None, None, None]
    assert [len(row.specs) for row in quick] == [3, 3, 1, 1, 1, 1]
    assert {spec.precision for spec in specs} == {"bfloat16"}


def test_quick_cuts_the_papers_150_patches_and_15912_from_all_scenes(quick):
    specs = [row.specs[0] for row in quick]
    assert [patches(spec.ir) for spec in specs] == [150, 150, 150, 150, 15_912, 150]
    assert len(specs[4].ir.images) == 34
    # Every third of the 34 in name order, the first ten.
    assert specs[0].ir.images == specs[4].ir.images[::3][:10]
    assert specs[0].ir.images == specs[0].vi.images == profile("paper").base


def test_an_unknown_profile_is_refused():
    with pytest.raises(FusionError, match=r"smoke, quick, paper, not 'full'"):
        bsp.table1("full")


def test_a_joined_source_is_described_part_by_part():
    def cut(side, *names):
        pairs = open_pairs("scenes", "train", names=names, size=(64, 96))
        return patch_source(pairs, side, 32, 32)

    sides = {side: joined(cut(side, "0000D"), cut(side, "0001N", "0002D")) for side in ("ir", "vi")}
    spec = Spec(model="bsp-cnn", **sides, relation="strict", pairs=18, steps=2)
    (row,) = bsp.describe([Row("SPTP", 18, (spec,))]).to_dict("records")
    assert row["infrared"] == row["visible"] == "6 of scenes, 12 of scenes"
    assert spec.ir.where == "scenes"
