"""What the loss makes of patches that meet: where it pulls, and where it comes to rest.

Each pair is looked at alone. In training the released form shares its ranges
of gradients and its mean SSIM among the pairs of a batch.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from fusionlib.data.base import Base
from fusionlib.losses import BSPLoss
from fusionlib.losses.windows import gradient
from fusionlib.report.loss_maps import apart

TERMS = ("intensity", "gradient", "ssim")


def pull(loss: BSPLoss, fused: Tensor, ir: Tensor, vi: Tensor) -> Tensor:
    """Which way the loss pulls each pixel: above 0 to the infrared, below 0 to the visible.

    It is what the loss, times the number of pixels, would lose if this pixel
    alone went on by the whole distance from visible to infrared at the present
    slope. Where both are equally bright there is no way to go, so it is 0.

    Args:
        loss: the objective; one with a single factor shows a single term.
        fused, ir, vi: (B, 1, H, W) in [0, 1].

    Returns (B, 1, H, W).
    """
    slope = torch.func.grad(lambda image: loss(image, ir, vi)["total"])(fused)
    return -slope * (ir - vi) * fused.numel()


def descend(
    loss: BSPLoss, start: Tensor, ir: Tensor, vi: Tensor, steps: int = 60, lr: float = 0.05
) -> Tensor:
    """Change the pixels of each fused image until its loss is low: no network, no other pair.

    Args:
        loss: the objective.
        start: images to begin with, (K, 1, H, W), no brighter than their pair.
        ir, vi: their sources, of the same shape.
        steps: of Adam, with a short memory: the slopes of absolute values jump.
        lr: of the first step; it falls to 0.

    Returns (K, 1, H, W), from 0 to the brightest pixel of each pair.
    """
    # Counted in the pair's brightest grey level, so that night moves as day does.
    unit = torch.maximum(ir, vi).amax((1, 2, 3), keepdim=True).clamp_min(1e-3)
    part = (start / unit).requires_grad_()
    adam = torch.optim.Adam([part], lr, betas=(0.5, 0.9))
    slower = torch.optim.lr_scheduler.LinearLR(adam, 1, 0, steps)
    for _ in range(steps):
        adam.zero_grad()
        apart(loss, unit * part, ir, vi)["total"].sum().backward()
        adam.step()
        slower.step()
        part.data.clamp_(0, 1)
    return (unit * part).detach()


def kept(fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, float]:
    """How much of each source's own bright and strong places a fused image keeps.

    For each source, of the tenth of the pixels where it exceeds the other
    most: the fused sum as a share of the source's, in grey levels and in
    gradients. 1 keeps all, the mean of both sources about half; NaN where a
    source exceeds the other nowhere.

    Args:
        fused, ir, vi: (1, H, W) in [0, 1].
    """
    shares = {}
    for what, (f, a, b) in {
        "brightness": (fused, ir, vi),
        "edges": (gradient(fused), gradient(ir), gradient(vi)),
    }.items():
        for name, source, other in (("infrared", a, b), ("visible", b, a)):
            ahead = source - other
            place = (ahead > 0) & (ahead >= ahead.quantile(0.9))
            shares[f"{name} {what}"] = (f[place].sum() / source[place].sum()).item()
    return shares


@dataclass(frozen=True)
class Meetings:
    """Every infrared patch of a small base with every visible one.

    ir (N, P, P), vi (M, P, P): the patches, in [0, 1].
    pull, best: (N, M, P, P): at the mean of both, where the loss pulls; and
        the image at which it comes to rest.
    terms: a row a meeting, indexed by (ir, vi): the terms at the mean of both,
        each times its factor; `total`, their sum; `rest`, the total of `best`.
    """

    ir: Tensor
    vi: Tensor
    pull: Tensor
    best: Tensor
    terms: pd.DataFrame


def meetings(base: Base, loss: BSPLoss, steps: int = 60) -> Meetings:
    """Let every infrared patch of a small base meet every visible one.

    Args:
        base: N and M patches; N times M images descend together.
        loss: the objective.
        steps: of the descents.
    """
    size = len(base.ir), len(base.vi)
    index = torch.cartesian_prod(*(torch.arange(n) for n in size))
    ir, vi = base.gather(index)
    mean = (ir + vi) / 2
    pulls = torch.vmap(lambda *pair: pull(loss, *pair))(mean[:, None], ir[:, None], vi[:, None])
    best = descend(loss, mean, ir, vi, steps)
    begin, end = (apart(loss, fused, ir, vi) for fused in (mean, best))
    columns = {name: getattr(loss, name) * begin[name] for name in TERMS if name in begin}
    columns |= {"total": begin["total"], "rest": end["total"]}
    terms = pd.DataFrame({name: values.tolist() for name, values in columns.items()})
    terms.index = pd.MultiIndex.from_arrays(index.T.tolist(), names=["ir", "vi"])
    shape = (*size, *base.ir.shape[1:])
    patches = base.ir.float() / 255, base.vi.float() / 255
    return Meetings(*patches, pulls.view(shape), best.view(shape), terms)
