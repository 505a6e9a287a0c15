"""The adaptively weighted losses of Beyond Strict Pairing (Eq. 2-6).

Every term compares the fused image O with a mixture of both sources, and the
mixture gives each source the weight of its own share. Nothing asks the two
sources to show one scene, so the losses also train on unpaired images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlib.errors import FusionError
from fusionlib.losses.windows import blur, gradient

FORMS = "released", "paper", "clipped"


def weight(a: Tensor, b: Tensor, eps: float = 1e-8) -> Tensor:
    """W(a; a, b) = a / (a + b), the share of `a` (Eq. 2).

    `eps` stands only in the released code; where both are 0 it gives 0.
    """
    # Eq. 2
    return a / (a + b + eps)


def ssim_map(x: Tensor, y: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """SSIM of every Gaussian window, (..., H, W) in [0, 1] -> same shape.

    Data range 1; the border is mirrored. x may stack several images to be
    compared with the same y, (N, ..., H, W). This is the training loss; the
    metric that the tables print is `fusionlib.metrics.ssim`.
    """
    c1, c2 = 0.01**2, 0.03**2
    mx, mxx, mxy = blur(torch.stack((x, x * x, x * y)), window, sigma)
    my, myy = blur(torch.stack((y, y * y)), window, sigma)
    numerator = (2 * mx * my + c1) * (2 * (mxy - mx * my) + c2)
    return numerator / ((mx * mx + my * my + c1) * (mxx - mx * mx + myy - my * my + c2))


def normalise(x: Tensor) -> Tensor:
    """Min-max over the whole batch tensor, to [0, 1]."""
    low, high = torch.aminmax(x)
    return (x - low) / (high - low).clamp_min(1e-8)


def mix(a: Tensor, b: Tensor) -> Tensor:
    """W(a; a, b) a + W(b; a, b) b: what the fused image should hold."""
    return weight(a, b) * a + weight(b, a) * b


def weighed(similar: Tensor, form: str) -> Tensor:
    """SSIM of windows, (B, 1, H, W), as Eq. 4 weighs it in a form of `BSPLoss`.

    Returns the mean, a scalar, in the form "released", else the same shape.
    """
    if form == "released":
        return similar.mean()
    return similar.clamp_min(0) if form == "clipped" else similar


@dataclass(frozen=True)
class BSPLoss:
    """L = intensity L_int + gradient L_grad + ssim L_ssim (Eq. 6).

    A factor of 0 switches its term off. `terms = loss(fused, ir, vi)` takes
    (B, 1, H, W) in [0, 1] and returns scalars: the terms without their
    factors, and `total`.

    Args:
        intensity, gradient, ssim: factors 1, alpha = 1, beta = 0.2.
        form: "released", "paper" or "clipped". Note on paper and code: Eq. 4-5
            weight SSIM at every pixel and use gradients as they are. The
            released code averages SSIM over the batch before it weights, and
            stretches each gradient map to [0, 1] by the batch's minimum and
            maximum. Eq. 4 to the letter does not train from first weights:
            where the SSIM of a window sum to nearly 0, the weights have a
            pole. "clipped" is "paper" with a negative SSIM taken as 0, which
            leaves none (not in the paper; see the notebook open_questions).

    Source: Beyond Strict Pairing, Eq. 2-6 and section 4.1.
    """

    intensity: float = 1.0
    gradient: float = 1.0
    ssim: float = 0.2
    form: str = "released"

    def __post_init__(self):
        # 2 and 2.0 are one setting, and must give one run.
        for name in ("intensity", "gradient", "ssim"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.form not in FORMS:
            raise FusionError(f"The loss has form {' or '.join(FORMS)}, not {self.form!r}.")
        if not any((self.intensity, self.gradient, self.ssim)):
            raise FusionError("Every factor of the loss is 0: give at least one term a factor.")

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        fused, ir, vi = fused.float(), ir.float(), vi.float()
        terms = {}
        if self.intensity:
            terms["intensity"] = self.intensity_term(fused, ir, vi)
        if self.gradient:
            terms["gradient"] = self.gradient_term(fused, ir, vi)
        if self.ssim:
            terms["ssim"] = self.ssim_term(fused, ir, vi)
        # Eq. 6
        total = sum(getattr(self, name) * term for name, term in terms.items())
        return {**terms, "total": total}

    def intensity_term(self, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
        """Mean distance to the mixture of intensities, weights P of Eq. 3."""
        # Eq. 5, first line
        return (fused - mix(ir, vi)).abs().mean()

    def gradient_term(self, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
        """Mean distance to the mixture of gradients, weights G of Eq. 3."""
        scale = normalise if self.form == "released" else torch.nn.Identity()
        g_fused, g_ir, g_vi = (scale(gradient(x)) for x in (fused, ir, vi))
        # Eq. 5, second line
        return (g_fused - mix(g_ir, g_vi)).abs().mean()

    def ssim_term(self, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
        """1 - the mixture of the two SSIM, weights S of Eq. 4."""
        s_ir, s_vi = (weighed(s, self.form) for s in ssim_map(torch.stack((ir, vi)), fused))
        # Eq. 4, and Eq. 5, third line
        return (1 - mix(s_ir, s_vi)).abs().mean()
