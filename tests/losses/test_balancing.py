"""Weightings against their papers' formulas, step by step in plain numbers."""

import io
import itertools
import math

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.losses.balancing import DWA, GDWA, UCW, WEIGHTINGS, SegMiF, create_weighting

# Mean losses of four epochs, of fusion and of csc.
MEANS = [(2.0, 1.0), (1.0, 0.9), (0.8, 0.9), (0.9, 0.45)]


def numbers(*values):
    return torch.tensor(values)


def long_form(g_a, g_b, r_a, r_b, t):
    """omega_csc through every line of section III-E."""
    share_a = g_a / (g_a + g_b)
    share_b = 1 - share_a
    s_a = math.exp(r_a / t) / (math.exp(r_a / t) + math.exp(r_b / t))
    s_b = 1 - s_a
    lambda_a = share_a * s_a / (share_a * s_a + share_b * s_b)
    return (1 - lambda_a) / lambda_a


def gdwa(rates, temperature=2.0):
    weighting = GDWA(temperature, norms="step")
    weighting.rates.copy_(numbers(*rates))
    return weighting


@pytest.mark.parametrize("norms", [(1.0, 1.0), (3.0, 0.2), (0.05, 0.8), (40.0, 1.5)])
@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.02, 0.7), (0.4, 2.0)])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_gdwa_is_the_long_form(norms, rates, temperature):
    fusion, csc = gdwa(rates, temperature)(numbers(*norms)).tolist()
    assert fusion == 1
    assert csc == pytest.approx(long_form(*norms, *rates, temperature), rel=1e-5)


def test_gdwa_gives_more_to_the_larger_gradient_and_to_the_slower():
    even = gdwa((1, 1))(numbers(1.0, 1.0))[1]
    assert even == 1
    assert gdwa((1, 1))(numbers(1.0, 2.0))[1].item() == pytest.approx(2, rel=1e-6)
    assert gdwa((1, 1.5))(numbers(1.0, 1.0))[1].item() == pytest.approx(math.exp(0.25), rel=1e-6)
    assert gdwa((1.5, 1))(numbers(1.0, 1.0))[1].item() == pytest.approx(math.exp(-0.25), rel=1e-6)


def test_gdwa_of_extreme_numbers():
    # The quotient of the norms alone would overflow in float32, and so would exp(400).
    omega = gdwa((800.0, 0.0))(numbers(1e-30, 1e30))[1].item()
    assert omega == pytest.approx(math.exp(math.log(1e60) - 400), rel=1e-3)
    assert gdwa((0.0, 1e4))(numbers(1.0, 1.0))[1] == torch.finfo(torch.float32).max
    assert gdwa((1e4, 0.0))(numbers(1.0, 1.0))[1] == 0
    assert gdwa((1.0, 1.0))(numbers(1.0, 0.0)).tolist() == [1, 0]


def test_gdwa_goes_by_the_mean_norms_of_the_epoch_before():
    weighting, epochs = GDWA(), [[(4.0, 1.0), (2.0, 3.0)], [(1.0, 8.0), (3.0, 0.0)], [(5.0, 5.0)]]
    omegas = []
    for epoch in epochs:
        omegas.append([weighting(numbers(*norms))[1].item() for norms in epoch])
        weighting.after_epoch(numbers(1.0, 1.0))  # losses stay, so rates are 1
    # The first epoch goes by its steps so far, the others by sums of (6, 4) and (4, 8).
    first, second, third = omegas
    assert first == pytest.approx([1 / 4, 4 / 6], rel=1e-6)
    assert second == pytest.approx([4 / 6, 4 / 6], rel=1e-6)
    assert third == pytest.approx([8 / 4], rel=1e-6)


@pytest.mark.parametrize("csc", [0.0, 0.3])
def test_gdwa_without_a_fusion_gradient(csc):
    assert gdwa((1.0, 2.0))(numbers(0.0, csc)).tolist() == [1, 0]


def rates(before, now):
    return [b / a for a, b in zip(before, now)]


def descents():
    """The rates that each epoch of `MEANS` and the one after it work with."""
    return [[1, 1], [1, 1], *itertools.starmap(rates, itertools.pairwise(MEANS))]


def test_gdwa_knows_the_rates_of_the_last_two_epochs():
    weighting, norms = GDWA(norms="step"), (0.5, 0.02)
    for (r_fusion, r_csc), means in itertools.zip_longest(descents(), MEANS):
        found = weighting(numbers(*norms))[1].item()
        assert found == pytest.approx(long_form(*norms, r_fusion, r_csc, 2), rel=1e-5)
        weighting.after_step(numbers(9.0, 0.1))  # single steps don't count
        if means:
            weighting.after_epoch(numbers(*means))


@pytest.mark.parametrize("temperature", [2.0, 0.7])
def test_dwa_over_a_history(temperature):
    weighting = DWA(temperature)
    for rate, means in itertools.zip_longest(descents(), MEANS):
        powers = [math.exp(r / temperature) for r in rate]
        expected = [2 * power / sum(powers) for power in powers]
        assert weighting().tolist() == pytest.approx(expected, rel=1e-6)
        weighting.after_step(numbers(9.0, 0.1))
        if means:
            weighting.after_epoch(numbers(*means))


def test_dwa_is_even_in_its_first_two_epochs():
    weighting = DWA()
    for means in MEANS[:2]:
        assert weighting().tolist() == [1, 1]
        weighting.after_epoch(numbers(*means))
    # Fusion was halved and csc kept nine tenths.
    expected = 2 / (1 + math.exp((1 / 2 - 9 / 10) / 2))
    assert weighting()[1].item() == pytest.approx(expected, rel=1e-6)


def test_a_loss_of_0_has_the_rate_1_after_it():
    weighting = DWA()
    for means in ((1.0, 0.0), (1.0, 0.5)):
        weighting.after_epoch(numbers(*means))
    assert weighting.rates.tolist() == [1, 1]
    weighting.after_epoch(numbers(0.5, 0.25))
    assert weighting.rates.tolist() == [0.5, 0.5]


def test_fixed_is_the_papers_number():
    assert create_weighting("fixed")().tolist() == pytest.approx([1, 0.1])
    assert create_weighting("fixed", omega=0)().tolist() == [1, 0]


def test_segmif_by_hand():
    weighting = SegMiF(round_epochs=2)
    # Round 2: 0.4 / 2 and 0.8; no rates yet.
    assert weighting().tolist() == pytest.approx([0.2, 0.8])
    weighting.after_step(numbers(1.0, 4.0))
    assert weighting().tolist() == pytest.approx([0.2, 0.8])
    # Rates 2 and 1/4, so b_1 = 2 / (1 + exp(-1.75 / 1000)).
    weighting.after_step(numbers(2.0, 1.0))
    b = 2 / (1 + math.exp(-1.75e-3))
    assert weighting().tolist() == pytest.approx([0.2 * b, 0.8 * (2 - b)], rel=1e-6)
    assert 8e-4 < b - 1 < 9e-4
    # Fusion keeps its loss, csc keeps its own: even again, in round 3.
    weighting.after_step(numbers(2.0, 1.0))
    for _ in range(2):
        weighting.after_epoch(numbers(3.0, 3.0))
    assert weighting().tolist() == pytest.approx([0.4 / 3, 0.8], rel=1e-6)


def test_segmif_has_seven_rounds():
    weighting, rounds = SegMiF(round_epochs=3), []
    for _ in range(24):
        rounds.append(0.4 / weighting()[0].item())
        weighting.after_epoch(numbers(1.0, 1.0))
    expected = [m for m in range(2, 8) for _ in range(3)] + [7] * 6
    assert rounds == pytest.approx(expected, rel=1e-6)


def test_ucw_begins_at_minus_a_half():
    weighting, losses = UCW(), numbers(3.0, 0.5)
    weights = weighting()
    half = math.exp(0.5) / 2
    assert weights.tolist() == pytest.approx([half, half])
    assert weighting.total(losses, weights).item() == pytest.approx(3.5 * half - 0.5)


def test_ucw_learns_from_detached_losses_as_from_others():
    images = torch.rand(2, requires_grad=True)
    found = []
    for losses in (images.square(), images.square().detach()):
        weighting = UCW()
        weighting.total(losses, weighting()).backward()
        found.append(weighting.s.grad)
    expected = -math.exp(0.5) / 2 * images.detach().square() + 0.5
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1], expected)
    torch.testing.assert_close(images.grad, math.exp(0.5) / 2 * 2 * images.detach())


def test_ucw_comes_to_rest_at_the_logarithm_of_the_loss():
    weighting, losses = UCW(), numbers(5.0, 0.2)
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        weighting.total(losses, weighting()).backward()
        optimiser.step()
    torch.testing.assert_close(weighting.s.detach(), losses.log())
    # There both objectives weigh the same.
    assert (weighting() * losses).tolist() == pytest.approx([0.5, 0.5], rel=1e-5)


def steps(weighting, count, seed):
    """The weights of so many epochs of two steps each."""
    draw, found = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam([*weighting.parameters(), torch.nn.Parameter(numbers(0.0))])
    for _ in range(count):
        for _ in range(2):
            losses, norms = torch.rand(2, 2, generator=draw) + 0.1
            weights = weighting(norms)
            found.append(weights.tolist())
            total = weighting.total(losses, weights)
            optimiser.zero_grad()
            if total.requires_grad:
                total.backward()
            optimiser.step()
            weighting.after_step(losses)
        weighting.after_epoch(losses)
    return found


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_checkpoint_holds_everything(name):
    options = {"round_epochs": 1} if name == "segmif" else {}
    weighting, file = create_weighting(name, **options), io.BytesIO()
    steps(weighting, 3, seed=0)
    torch.save({"weighting": weighting.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)["weighting"]
    assert all(value.isfinite().all() for value in state.values())
    resumed = create_weighting(name, **options)
    resumed.load_state_dict(state)
    went_on = steps(weighting, 2, seed=1)
    assert steps(resumed, 2, seed=1) == went_on
    if name != "fixed":
        assert steps(create_weighting(name, **options), 2, seed=1) != went_on


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_all_answer_alike(name):
    weighting = create_weighting(name)
    losses = numbers(2.0, 3.0)
    weights = weighting(numbers(0.5, 0.25))
    assert weights.shape == (2,)
    assert weights.dtype == torch.float32
    assert weighting.needs_norms == (name == "gdwa")
    assert [p.shape for p in weighting.parameters()] == ([(2,)] if name == "ucw" else [])
    rest = weighting.s.sum().item() / 2 if name == "ucw" else 0
    expected = 2 * weights[0].item() + 3 * weights[1].item() + rest
    assert weighting.total(losses, weights).item() == pytest.approx(expected, rel=1e-6)
    assert weighting.total(losses, weights).requires_grad == (name == "ucw")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gradnorm", {}, "There is no weighting 'gradnorm'; the weightings are gdwa, fixed,"),
        ("gdwa", {"temperature": 0}, "temperature is above 0"),
        ("gdwa", {"norms": "run"}, "norms is one of epoch, step, not 'run'"),
        ("dwa", {"temperature": -1}, "temperature is a number of 0 or more, not -1"),
        ("fixed", {"omega": "x"}, "omega is a number of 0 or more, not 'x'"),
        ("segmif", {"round_epochs": 0}, "round_epochs is 1 or more, not 0"),
    ],
)
def test_what_makes_no_weighting_is_refused(name, options, message):
    with pytest.raises(FusionError, match=message):
        create_weighting(name, **options)
