"""The paired bootstrap: right width, right coverage, the same every time."""

import math

import numpy as np
import pytest

from fusionlib.statistics import bootstrap


def test_width_is_that_of_the_normal_approximation():
    values = np.random.default_rng(1).normal(3.0, 0.5, 400)
    low, high = bootstrap(values)
    wanted = 1.96 * values.std() / math.sqrt(len(values))
    assert (high - low) / 2 == pytest.approx(wanted, rel=0.06)
    assert (high + low) / 2 == pytest.approx(values.mean(), abs=0.1 * wanted)


@pytest.mark.parametrize(("level", "least", "most"), [(0.95, 0.89, 0.98), (0.5, 0.40, 0.60)])
def test_covers_the_true_mean_as_often_as_it_says(level, least, most):
    samples = np.random.default_rng(2).normal(1.0, 2.0, (200, 30))
    intervals = [bootstrap(sample, level) for sample in samples]
    assert least < np.mean([low <= 1.0 <= high for low, high in intervals]) < most


def test_differences_image_by_image_see_what_single_means_hide():
    source = np.random.default_rng(3)
    first = source.normal(6.5, 0.8, 40)  # images differ much more than models do
    second = first + source.normal(0.03, 0.02, 40)
    low, high = bootstrap(second - first)
    assert 0 < low < 0.03 < high
    assert bootstrap(second)[0] < bootstrap(first)[1]


def test_known_values():
    assert bootstrap([2.5] * 7) == (2.5, 2.5)
    # Four equally likely resamples of two images: the means 0, 1/2 (twice) and 1.
    assert bootstrap([0.0, 1.0]) == (0.0, 1.0)
    assert bootstrap([0.0, 1.0], level=0.4) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_have_no_interval(values):
    assert all(math.isnan(end) for end in bootstrap(values))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_not_passed_over(value):
    assert all(math.isnan(end) for end in bootstrap([1.0, value, 2.0]))
    assert all(math.isnan(end) for end in bootstrap([value, value, 2.0]))


def test_seed_fixes_the_interval():
    values = np.random.default_rng(4).normal(size=25)
    assert bootstrap(values) == bootstrap(values, seed=0)
    assert bootstrap(values) != bootstrap(values, seed=1)
