"""The losses of MMDRFuse (Deng et al., ACM MM 2024).

Content, for teacher and student: the larger of both sources, in intensity and
in edges. Distillation: the student's maps and image, against the teacher's.
Dynamic refresh: the student's image, against the best that it once made of the
same pair.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.losses.bsp import ssim_map
from fusionlib.losses.factors import as_factor, check_factors, check_share
from fusionlib.losses.vgg import load_vgg

LEVELS = tuple((level, 1) for level in range(1, 6))  # relu1_1 to relu5_1 of VGG19
SHALLOW, DEEP = LEVELS[:3], LEVELS[3:]


def edges(x: Tensor) -> Tensor:
    """|Laplacian| of eight neighbours, (B, 1, H, W) -> the same, mirrored."""
    around = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "reflect"), 3, 1, divisor_override=1)
    return (9 * x - around).abs()


def gmsd(x: Tensor, y: Tensor, c: float = 0.0026) -> Tensor:
    """How much the similarity of edges varies: (B, 1, H, W) each -> (B,), >= 0.

    Source: Xue et al., "Gradient magnitude similarity deviation", TIP 2014,
    whose c = 170 is on grey levels.
    """
    down = torch.tensor([[1.0], [0.0], [-1.0]], device=x.device).expand(3, 3) / 3
    prewitt = torch.stack((down, down.T))[:, None]
    # Xue et al. halve the images first.
    a, b = (
        F.conv2d(F.avg_pool2d(image, 2), prewitt, padding=1).norm(dim=1).flatten(1)
        for image in (x, y)
    )
    return ((2 * a * b + c) / (a * a + b * b + c)).std(1, correction=0)


def quality(fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
    """(B, 2), higher is better: SSIM to both sources, minus GMSD to both."""
    ssim = ssim_map(torch.stack((ir, vi)), fused).mean((2, 3, 4)).sum(0)
    return torch.stack((ssim, -gmsd(fused, ir) - gmsd(fused, vi)), 1)


def distillation(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Half the squared distance of sums over channels, of maps and of images.

    Each (B, C, H, W); a sum over channels is divided by its length, which is
    that of the whole batch.
    """
    lengths = 0.0
    for own, given in zip(student, teacher, strict=True):
        own, given = (x.float().sum(1) for x in (own, given))
        own, given = (x / x.norm().clamp_min(1e-8) for x in (own, given))
        lengths = lengths + (own - given).square().sum()
    return lengths / 2


def _unlike(vgg, taps, fused: Tensor, other: Tensor) -> Tensor:
    """(B,): mean over taps of the mean squares of what differs."""
    with torch.no_grad():
        targets = vgg(other, taps)
    seen = zip(vgg(fused, taps), targets, strict=True)
    return sum((a - b).square().mean((1, 2, 3)) for a, b in seen) / len(taps)


@dataclass(frozen=True)
class MMDRFuseContent:
    """intensity L_int + perceptual L_perc + gradient L_grad: what to hold.

    `terms = loss(fused, ir, vi)` takes (B, 1, H, W) in [0, 1] and returns
    scalars: the terms without their factors, and `total`.

    Args:
        intensity: factor of the mean distance to the larger source; 2 for the
            teacher, whose numbers are the defaults.
        perceptual: factor of the mean square, over five levels of VGG19, of
            the distance to the larger activation of both sources.
        gradient: factor of the mean square distance of edges to the larger
            ones of both sources.
        vgg19: a file of ImageNet weights (torchvision's state dict; its path
            is part of a run's key). None, the default, leaves the perceptual
            term out.

    Source: MMDRFuse, section 3; numbers from the released code. Inferred:
    which layers are VGG19's five levels (relu1_1 to relu5_1), the mean
    squares, and that edges are magnitudes.
    """

    intensity: float = 2.0
    perceptual: float = 1.0
    gradient: float = 0.1
    vgg19: str | None = None

    def __post_init__(self):
        check_factors(self, "intensity", "perceptual", "gradient")
        object.__setattr__(self, "vgg19", str(self.vgg19) if self.vgg19 else None)

    def __call__(self, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        fused, ir, vi = fused.float(), ir.float(), vi.float()
        terms = {"intensity": (fused - torch.maximum(ir, vi)).abs().mean()}
        if self.vgg19:
            terms["perceptual"] = self.perceptual_term(fused, ir, vi)
        terms["gradient"] = F.mse_loss(edges(fused), torch.maximum(edges(ir), edges(vi)))
        return {**terms, "total": sum(getattr(self, name) * term for name, term in terms.items())}

    def perceptual_term(self, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
        """Mean over the levels; only with `vgg19`."""
        vgg = load_vgg(self.vgg19, "vgg19", fused.device)
        with torch.no_grad():
            targets = map(torch.maximum, vgg(ir, LEVELS), vgg(vi, LEVELS))
        return sum(map(F.mse_loss, vgg(fused, LEVELS), targets)) / len(LEVELS)


@dataclass(frozen=True)
class MMDRFuseLoss:
    """Everything that the student learns from, its teacher's lessons included.

    Args:
        intensity, perceptual, gradient: of the student's content, as
            `MMDRFuseContent` has them.
        distillation: factor of `distillation`, 5.
        refresh: factor of the refresh, 10, times how much worse the student
            was than its best.
        teacher: the teacher's intensity, perceptual and gradient.
        teacher_share: share of the steps in which the teacher learns, before
            the student does. Inferred: half of them.
        vgg19: as in `MMDRFuseContent`; None also takes VGG's parts out of the
            refresh.

    Source: MMDRFuse, section 3; numbers from the released code. Inferred: how
    much worse counts as a constant, and that pairs without a best yet count
    for nothing.
    """

    intensity: float = 1.0
    perceptual: float = 2.0
    gradient: float = 0.1
    distillation: float = 5.0
    refresh: float = 10.0
    teacher: tuple[float, float, float] = (2.0, 1.0, 0.1)
    teacher_share: float = 0.5
    vgg19: str | None = None

    def __post_init__(self):
        check_factors(self, "intensity", "perceptual", "gradient", "distillation", "refresh")
        check_share(self, "teacher_share")
        object.__setattr__(self, "vgg19", str(self.vgg19) if self.vgg19 else None)
        if not isinstance(self.teacher, tuple) or len(self.teacher) != 3:
            raise FusionError(
                f"teacher holds intensity, perceptual and gradient, not {self.teacher!r}."
            )
        factors = tuple(as_factor("teacher", value) for value in self.teacher)
        object.__setattr__(self, "teacher", factors)

    @property
    def content(self) -> MMDRFuseContent:
        """What the student's image should hold."""
        return MMDRFuseContent(self.intensity, self.perceptual, self.gradient, self.vgg19)

    @property
    def teacher_content(self) -> MMDRFuseContent:
        """What the teacher's image should hold."""
        return MMDRFuseContent(*self.teacher, self.vgg19)

    def turn(self, steps: int) -> int:
        """The student's first step, in a training of so many."""
        return round(steps * self.teacher_share)

    def refresh_terms(
        self, fused: Tensor, now: Tensor, best: Tensor, scores: Tensor
    ) -> dict[str, Tensor]:
        """Both refreshing terms, without their factor; 0 where nothing is worse.

        Args:
            fused: (B, 1, H, W).
            now: (B, 2), its `quality`.
            best: (B, 2, H, W), the images of the best SSIM and the best GMSD.
            scores: (B, 2), their quality; -inf where there was none yet.
        """
        fused, known = fused.float(), scores[:, 0].isfinite()
        known = known / known.sum().clamp_min(1)  # the share of each pair in a mean
        worse = torch.where(scores.isfinite(), scores - now, 0.0)
        gaps = (known @ worse).clamp_min(0).detach()
        alike, sharp = best.split(1, 1)
        parts = {
            "refresh_ssim": (fused - alike).abs().mean((1, 2, 3)),
            "refresh_gmsd": (edges(fused) - edges(sharp)).square().mean((1, 2, 3)),
        }
        if self.vgg19:
            vgg = load_vgg(self.vgg19, "vgg19", fused.device)
            parts["refresh_ssim"] = parts["refresh_ssim"] + _unlike(vgg, DEEP, fused, alike)
            parts["refresh_gmsd"] = parts["refresh_gmsd"] + _unlike(vgg, SHALLOW, fused, sharp)
        return {
            name: gap * (known @ part)
            for gap, (name, part) in zip(gaps, parts.items(), strict=True)
        }
