"""The adversarial game of Beyond Strict Pairing's GAN baseline (Eq. 7, 16-19).

A saliency critic compares the fused image with the infrared one where that
one shows more; a detail critic compares their gradients with the visible
image's elsewhere. The critics raise their value for sources and lower it for
fused images; the generator raises it for fused images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.bsp import BSPLoss, weight
from fusionlib.losses.windows import gradient

Critic = Callable[[Tensor], Tensor]

MASKS = ("share", "binary", "none")
REGULARISATIONS = ("none", "clip", "penalty")

# The supplement weights the generator's terms otherwise than Eq. 7: its alpha
# and beta stand before intensity and gradient. For `Spec(loss=EQ19)`.
EQ19 = BSPLoss(intensity=1.0, gradient=0.2, ssim=1.0)


@dataclass(frozen=True)
class Adversarial:
    """How the critics look and learn; the paper leaves most of it open.

    Args:
        factor: lambda of Eq. 7, 0.01 in the paper.
        mask: m_s, with m_d = 1 - m_s; the paper says only this sum. Inferred:
            "share" is P_ir of Eq. 3. Others: "binary", 1 where infrared is
            the brighter; "none", both masks 1.
        regularisation: of the critics, not public. Inferred: "none", because
            the last layer's tanh already bounds them. Others: "clip", weights
            cut off at `strength` (WGAN); "penalty", `strength` times the mean
            of (|dD/dx| - 1)^2 between source and fused (WGAN-GP).
        strength: see `regularisation`.
        critic_lr: learning rate of the critics' Adam. Inferred: a hundredth of
            the generator's. At the same rate the last layer, which adds up
            49,152 inputs, moves by up to 5 a step, and its tanh saturates: a
            critic that gives 1 or -1 to everything teaches nothing any more.

    Source: Beyond Strict Pairing, Eq. 7 and 16-18.
    """

    factor: float = 0.01
    mask: str = "share"
    regularisation: str = "none"
    strength: float = 0.0
    critic_lr: float = 1e-6

    def __post_init__(self):
        for name in ("factor", "strength", "critic_lr"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                raise FusionError(f"{name} is a number of 0 or more, not {value!r}.")
            object.__setattr__(self, name, float(value))
        if self.mask not in MASKS:
            raise FusionError(f"mask is {', '.join(MASKS)}, not {self.mask!r}.")
        if self.regularisation not in REGULARISATIONS:
            raise FusionError(
                f"regularisation is {', '.join(REGULARISATIONS)}, not {self.regularisation!r}."
            )
        if (self.regularisation == "none") != (self.strength == 0):
            raise FusionError(
                f"strength={self.strength:g} does not fit regularisation={self.regularisation!r}: "
                "'none' takes 0, 'clip' (such as 0.01) and 'penalty' (such as 10) take more."
            )

    def masks(self, ir: Tensor, vi: Tensor) -> tuple[Tensor, Tensor]:
        """m_s and m_d, (B, 1, H, W) in [0, 1], of (B, 1, H, W) in [0, 1]."""
        if self.mask == "none":
            return torch.ones_like(ir), torch.ones_like(ir)
        saliency = weight(ir, vi) if self.mask == "share" else (ir > vi).to(ir.dtype)
        return saliency, 1 - saliency

    def views(
        self, fused: Tensor, ir: Tensor, vi: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """What each critic sees: (fused, infrared) and (fused, visible).

        The first pair shows intensities under m_s, the second Sobel
        magnitudes under m_d; all (B, 1, H, W).
        """
        m_s, m_d = self.masks(ir, vi)
        return (m_s * fused, m_s * ir), (m_d * gradient(fused), m_d * gradient(vi))


def critic_loss(critic: Critic, fused: Tensor, source: Tensor) -> Tensor:
    """E D(fused) - E D(source) of one critic's views: a scalar in (-2, 2)."""
    # Eq. 16 for the saliency critic, Eq. 17 for the detail critic
    return critic(fused).mean() - critic(source).mean()


def adversarial_term(
    saliency: Critic, detail: Critic, fused_saliency: Tensor, fused_detail: Tensor
) -> Tensor:
    """L_adv, which the generator raises: a scalar in (-2, 2)."""
    # Eq. 18
    return saliency(fused_saliency).mean() + detail(fused_detail).mean()


def generator_total(terms: dict[str, Tensor], adversarial: Tensor, factor: float) -> Tensor:
    """L_G: the total of `BSPLoss` less lambda L_adv."""
    # Eq. 7; Eq. 19 where the terms come from EQ19
    return terms["total"] - factor * adversarial


def gradient_penalty(critic: Critic, fused: Tensor, source: Tensor) -> Tensor:
    """Mean of (|dD/dx| - 1)^2 at random points between two views.

    Source: Gulrajani et al. 2017 (WGAN-GP); the norm is over an image.
    """
    place = torch.rand(len(source), 1, 1, 1, device=source.device, dtype=source.dtype)
    between = (place * source + (1 - place) * fused).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
