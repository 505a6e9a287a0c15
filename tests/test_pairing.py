"""Relations and draws: which pairs, each once, from the seed alone, in little memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlib.errors import FusionError
from fusionlib.pairing import PARADIGMS, RELATIONS, Draw, decode, relation_size

few = settings(max_examples=60, deadline=None)


def allowed(relation, n_ir, n_vi):
    """The relation's definition, as a set."""
    every = {(i, j) for i in range(n_ir) for j in range(n_vi)}
    return {
        "strict": {(i, j) for i, j in every if i == j},
        "unpaired": {(i, j) for i, j in every if i != j},
        "arbitrary": every,
    }[relation]


def as_tuples(pairs):
    return [tuple(map(int, pair)) for pair in pairs]


@st.composite
def draws(draw):
    """A relation over a few patches and a T that it can give."""
    relation = draw(st.sampled_from(RELATIONS))
    n_ir = draw(st.integers(2, 40))
    n_vi = n_ir if relation == "strict" else draw(st.integers(2, 40))
    pairs = draw(st.integers(1, relation_size(relation, n_ir, n_vi)))
    return Draw(relation, n_ir, n_vi, pairs, draw(st.integers(0, 2**40)), draw(st.booleans()))


@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (2, 7), (7, 2), (1, 5), (5, 1)])
@pytest.mark.parametrize("relation", RELATIONS)
def test_numbers_reach_every_allowed_pair_once(relation, shape):
    if relation == "strict" and shape[0] != shape[1]:
        return
    numbers = np.arange(relation_size(relation, *shape))
    reached = as_tuples(decode(relation, numbers, *shape))
    assert len(reached) == len(set(reached))
    assert set(reached) == allowed(relation, *shape)


@few
@given(n_ir=st.integers(1, 20_000), n_vi=st.integers(1, 20_000), place=st.floats(0, 1))
def test_no_number_of_a_large_unpaired_relation_meets_itself(n_ir, n_vi, place):
    size = relation_size("unpaired", n_ir, n_vi)
    if size == 0:
        return
    first = int(place * (size - 1))
    numbers = np.arange(first, min(first + 500, size))
    pairs = decode("unpaired", numbers, n_ir, n_vi)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert (pairs >= 0).all()
    assert (pairs < (n_ir, n_vi)).all()
    # Row-major order: later numbers are later places, so none comes twice.
    assert (np.diff(pairs[:, 0] * n_vi + pairs[:, 1]) > 0).all()


@few
@given(draw=draws(), epoch=st.integers(0, 1000))
def test_a_draw_holds_t_allowed_pairs_without_repeats(draw, epoch):
    pairs = draw.epoch(epoch)
    assert pairs.shape == (draw.pairs, 2)
    assert pairs.dtype == np.int64
    drawn = as_tuples(pairs)
    assert len(set(drawn)) == draw.pairs
    assert set(drawn) <= allowed(draw.relation, draw.n_ir, draw.n_vi)


@few
@given(draw=draws(), epoch=st.integers(0, 1000))
def test_the_seed_alone_decides(draw, epoch):
    again = Draw(draw.relation, draw.n_ir, draw.n_vi, draw.pairs, draw.seed, draw.redraw)
    draw.epoch(epoch + 1)  # epochs do not depend on those drawn before
    np.testing.assert_array_equal(draw.epoch(epoch), again.epoch(epoch))


@pytest.mark.parametrize("relation", RELATIONS)
def test_seeds_and_epochs_differ(relation):
    epochs = [Draw(relation, 90, 90, 60, seed).epoch(n) for seed in range(3) for n in range(3)]
    assert len({pairs.tobytes() for pairs in epochs}) == 9
    assert len({frozenset(as_tuples(pairs)) for pairs in epochs}) == 9


@pytest.mark.parametrize("relation", RELATIONS)
def test_without_redraw_the_set_stays_and_the_order_changes(relation):
    draw = Draw(relation, 90, 90, 60, seed=3, redraw=False)
    epochs = [draw.epoch(number) for number in range(5)]
    assert len({frozenset(as_tuples(pairs)) for pairs in epochs}) == 1
    assert len({pairs.tobytes() for pairs in epochs}) == 5


def test_a_draw_of_everything_is_a_permutation():
    draw = Draw("unpaired", 9, 7, relation_size("unpaired", 9, 7))
    assert set(as_tuples(draw.epoch(4))) == allowed("unpaired", 9, 7)
    assert not np.array_equal(draw.epoch(4), draw.epoch(5))


@pytest.mark.parametrize("shape", [(5, 4), (4, 5)])
def test_every_pair_is_as_likely_and_at_every_place(shape):
    draw = Draw("unpaired", *shape, pairs=4)
    epochs = np.stack([draw.epoch(number) for number in range(2000)])
    codes = epochs[..., 0] * 10 + epochs[..., 1]
    _, counts = np.unique(codes, return_counts=True)
    _, firsts = np.unique(codes[:, 0], return_counts=True)
    # 16 pairs: means 500 and 125, five standard deviations 97 and 54.
    assert len(counts) == len(firsts) == 16
    assert abs(counts - 500).max() < 97
    assert abs(firsts - 125).max() < 54


@pytest.mark.parametrize("relation", RELATIONS)
def test_memory_grows_with_t_and_not_with_the_relation(relation):
    n = t = 15_000  # the relation holds up to 225 million pairs
    draw = Draw(relation, n, n, t)
    tracemalloc.start()
    pairs = draw.epoch(0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(pairs) == t
    assert peak < 100 * t + 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("strict", 4, 5, 2), "as many infrared as visible.*4 and 5"),
        (("strict", 6, 6, 7), "pairs=7 .*holds 6"),
        (("unpaired", 6, 5, 26), "pairs=26 .*6 x 5 .*holds 25"),
        (("unpaired", 1, 1, 1), "pairs=1 .*holds 0"),
        (("arbitrary", 6, 5, 31), "pairs=31 .*holds 30"),
        (("arbitrary", 6, 5, 0), "pairs=0 "),
        (("arbitrary", 6, 5, -1), "pairs=-1 "),
        (("paired", 6, 6, 1), "'paired'.*strict, unpaired, arbitrary"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(FusionError, match=message):
        Draw(*arguments)


def test_paradigms_name_the_relations():
    assert PARADIGMS == {"SPTP": "strict", "UPTP": "unpaired", "APTP": "arbitrary"}
