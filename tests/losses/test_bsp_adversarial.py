"""The adversarial game: masks, views and Eq. 7, 16-19."""

import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.losses import EQ19, Adversarial, BSPLoss
from fusionlib.losses.bsp import weight
from fusionlib.losses.bsp_adversarial import (
    adversarial_term,
    critic_loss,
    generator_total,
    gradient_penalty,
)
from fusionlib.losses.windows import gradient


@pytest.fixture
def sources():
    return torch.rand(3, 2, 1, 16, 16).unbind(0)


@pytest.mark.parametrize("mask", ["share", "binary"])
def test_the_masks_share_every_pixel(mask, sources):
    _, ir, vi = sources
    m_s, m_d = Adversarial(mask=mask).masks(ir, vi)
    torch.testing.assert_close(m_s + m_d, torch.ones_like(ir))
    assert m_s.min() >= 0
    assert m_d.min() >= 0
    assert m_s[ir > vi].min() > 0.5 > m_s[ir < vi].max()


def test_the_default_mask_is_the_share_of_infrared(sources):
    _, ir, vi = sources
    assert torch.equal(Adversarial().masks(ir, vi)[0], weight(ir, vi))
    assert all((m == 1).all() for m in Adversarial(mask="none").masks(ir, vi))


def test_masks_of_black_images_are_finite():
    black = torch.zeros(1, 1, 4, 4)
    m_s, m_d = Adversarial().masks(black, black)
    assert (m_s == 0).all()
    assert (m_d == 1).all()


def test_views_are_intensities_and_gradients(sources):
    fused, ir, vi = sources
    game = Adversarial()
    m_s, m_d = game.masks(ir, vi)
    (fused_s, real_s), (fused_d, real_d) = game.views(fused, ir, vi)
    for view, expected in (
        (fused_s, m_s * fused),
        (real_s, m_s * ir),
        (fused_d, m_d * gradient(fused)),
        (real_d, m_d * gradient(vi)),
    ):
        assert torch.equal(view, expected)


def test_critics_and_generator_pull_opposite_ways():
    """Mean brightness as the critic: the loss's sign says who wants what."""
    bright, dark = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)

    def critic(x):
        return x.mean((1, 2, 3))

    # A critic that gives sources more than fused images has a low loss.
    assert critic_loss(critic, fused=dark, source=bright) == -1
    assert critic_loss(critic, fused=bright, source=dark) == 1
    # A generator that pleases the critics has a low total.
    terms = {"total": torch.tensor(0.5)}
    pleased = generator_total(terms, adversarial_term(critic, critic, bright, bright), 0.01)
    displeased = generator_total(terms, adversarial_term(critic, critic, dark, dark), 0.01)
    assert pleased.item() == pytest.approx(0.5 - 0.02)
    assert displeased.item() == pytest.approx(0.5)


def test_eq19_moves_alpha_and_beta():
    assert (BSPLoss().intensity, BSPLoss().gradient, BSPLoss().ssim) == (1, 1, 0.2)
    assert (EQ19.intensity, EQ19.gradient, EQ19.ssim) == (1, 0.2, 1)


def test_gradient_penalty_of_a_linear_critic():
    direction = torch.randn(1, 1, 8, 8)
    direction /= direction.norm()
    fused, source = torch.rand(2, 3, 1, 8, 8)
    for length in (1.0, 3.0):

        def critic(x, length=length):
            return (x * length * direction).sum((1, 2, 3))

        value = gradient_penalty(critic, fused, source)
        assert value.item() == pytest.approx((length - 1) ** 2, abs=1e-5)


def test_gradient_penalty_reaches_the_critics_weights():
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1), torch.nn.Tanh())
    gradient_penalty(critic, *torch.rand(2, 3, 1, 4, 4)).backward()
    assert critic[1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask": "saliency"}, "mask is share, binary, none, not 'saliency'"),
        ({"regularisation": "spectral"}, "none, clip, penalty, not 'spectral'"),
        ({"strength": 10}, "strength=10 does not fit regularisation='none'"),
        ({"regularisation": "clip"}, "strength=0 does not fit regularisation='clip'"),
        ({"regularisation": "penalty", "strength": -1}, "strength is a number of 0 or more"),
        ({"factor": float("nan")}, "factor is a number of 0 or more, not nan"),
        ({"critic_lr": "x"}, "critic_lr is a number of 0 or more, not 'x'"),
    ],
)
def test_what_makes_no_game_is_refused(values, message):
    with pytest.raises(FusionError, match=message):
        Adversarial(**values)


def test_one_setting_is_one_game():
    assert Adversarial(factor=1) == Adversarial(factor=1.0)
    assert isinstance(Adversarial(factor=1).factor, float)
