"""The losses of CDDFuse's two phases (Zhao et al., CVPR 2023).

In the first phase encoder and decoder learn to bring every source back; in
the second all parts learn to fuse. In both the base features of a pair are to
resemble each other, and the detail features are not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.factors import check_factors, check_share
from fusionlib.losses.windows import sobel

Both = tuple[Tensor, Tensor]  # of infrared and of visible


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Mean over images and channels of the correlation over pixels, in [-1, 1].

    a, b: (B, C, H, W). A channel that is flat has the correlation 0.
    """
    a, b = (x.float().flatten(2) for x in (a, b))
    a, b = a - a.mean(2, keepdim=True), b - b.mean(2, keepdim=True)
    lengths = [x.square().sum(2).clamp_min(1e-12).rsqrt() for x in (a, b)]
    return ((a * b).sum(2) * lengths[0] * lengths[1]).mean()


def decomposition(base: Both, detail: Both) -> Tensor:
    """cc_D^2 / (1.01 + cc_B) of both sources' features, (B, C, H, W) each."""
    # L_decomp
    return correlation(*detail).square() / (1.01 + correlation(*base))


def strongest(fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
    """Mean distance of |gx| + |gy| to the larger one of both sources."""
    # The released code's Sobel filters see black outside the image.
    fused, ir, vi = (sum(part.abs() for part in sobel(x, "constant")) for x in (fused, ir, vi))
    return (fused - torch.maximum(ir, vi)).abs().mean()


@dataclass(frozen=True)
class CDDFuseLoss:
    """The terms of both phases, and how a training goes through them.

    Args:
        ssim, square: of each source that comes back: 5 times (1 - SSIM) / 2,
            and the mean square of what differs.
        vi_gradient: of the visible image that comes back: mean distance of
            Sobel derivatives, 5.
        intensity, gradient: of the fused image: mean distances to the larger
            of both sources, of intensities 1 and of |gx| + |gy| 10.
        decomposition: of the features, in both phases, 2.
        first_phase: share of the steps, 40 of 120 epochs as published.
        halvings: equal parts of the training, after each of which the
            learning rate is halved: 6 of 120 epochs are 20 epochs each. The
            fusion layers count from their first step.
        floor: the learning rate never falls below it.
        clip: norm of the gradient of each of the four networks.

    Source: CDDFuse, section 3; numbers from the released code. Inferred: how
    SSIM and Sobel derivatives are normalised (as kornia's, which it calls).
    """

    ssim: float = 5.0
    square: float = 1.0
    vi_gradient: float = 5.0
    intensity: float = 1.0
    gradient: float = 10.0
    decomposition: float = 2.0
    first_phase: float = 1 / 3
    halvings: int = 6
    floor: float = 1e-6
    clip: float = 0.01

    def __post_init__(self):
        check_factors(self, "ssim", "square", "vi_gradient", "intensity", "gradient")
        check_factors(self, "decomposition", "floor", "clip")
        check_share(self, "first_phase")
        if not isinstance(self.halvings, int) or self.halvings < 1:
            raise FusionError(f"halvings is 1 or more, not {self.halvings!r}.")
        if not self.clip:
            raise FusionError("clip is above 0: it is the gradient's norm.")

    def first(self, again: Both, sources: Both, base: Both, detail: Both) -> dict[str, Tensor]:
        """The terms of the first phase.

        again, sources: infrared and visible, (B, 1, H, W) in [0, 1], as they
        come back and as they are.
        base, detail: features of both sources, (B, C, H, W) each.

        Returns the terms without their factors; the reconstructions are sums
        that hold theirs.
        """
        terms = {}
        for name, image, source in zip(("ir", "vi"), again, sources, strict=True):
            image = image.float()
            unlike = (1 - ssim_map(image, source)).div(2).clamp(0, 1).mean()
            square = F.mse_loss(image, source)
            terms[f"reconstruction_{name}"] = self.ssim * unlike + self.square * square
        pairs = zip(sobel(again[1].float()), sobel(sources[1]), strict=True)
        # Kornia divides the Sobel kernels by the sum of their weights.
        terms["vi_gradient"] = sum((a - b).abs().mean() / 8 for a, b in pairs) / 2
        terms["decomposition"] = decomposition(base, detail)
        # L_total of phase I
        total = terms["reconstruction_ir"] + terms["reconstruction_vi"]
        total = total + self.vi_gradient * terms["vi_gradient"]
        return {**terms, "total": total + self.decomposition * terms["decomposition"]}

    def second(self, fused: Tensor, sources: Both, base: Both, detail: Both) -> dict[str, Tensor]:
        """The terms of the second phase, without their factors.

        fused: (B, 1, H, W) in [0, 1]; the others as in `first`.
        """
        fused = fused.float()
        terms = {
            "intensity": (fused - torch.maximum(*sources)).abs().mean(),
            "gradient": strongest(fused, *sources),
            "decomposition": decomposition(base, detail),
        }
        # L_total of phase II
        return {**terms, "total": sum(getattr(self, name) * term for name, term in terms.items())}

    def turn(self, steps: int) -> int:
        """The first step of the second phase, of a training of so many."""
        return round(steps * self.first_phase)

    def rate(self, lr: float, step: int, steps: int, began: int = 0) -> float:
        """The learning rate at a step, of a network that began at `began`."""
        halved = (step - began) * self.halvings // steps
        return max(lr * 0.5**halved, min(lr, self.floor))
