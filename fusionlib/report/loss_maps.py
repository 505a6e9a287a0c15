"""Eq. 2-6 of Beyond Strict Pairing at every pixel: what stands between the sources and the loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from fusionlib.losses import BSPLoss
from fusionlib.losses.bsp import mix, normalise, ssim_map, weighed, weight
from fusionlib.losses.windows import gradient


@dataclass(frozen=True)
class TermMaps:
    """One term of the loss at every pixel; all are (B, 1, H, W).

    infrared, visible, fused: what the term compares: grey levels, gradients,
        or SSIM with the fused image, whose own is 1.
    w_infrared, w_visible: the shares of Eq. 3 and 4.
    mixture: of both sources by their shares: what the fused image should hold.
    residual: its distance; the mean over all pixels is the term.
    """

    infrared: Tensor
    visible: Tensor
    w_infrared: Tensor
    w_visible: Tensor
    mixture: Tensor
    fused: Tensor
    residual: Tensor


def term_maps(fused: Tensor, ir: Tensor, vi: Tensor, form: str = "paper") -> dict[str, TermMaps]:
    """The maps of the terms "intensity", "gradient" and "ssim".

    Args:
        fused, ir, vi: (B, 1, H, W) in [0, 1].
        form: "paper"; or "released": gradients stretched by the batch, and one
            mean SSIM for all of its windows; or "clipped": a negative SSIM is 0.
    """
    gradients = [gradient(x) for x in (ir, vi, fused)]
    if form == "released":
        gradients = [normalise(x) for x in gradients]
    similar = [weighed(s, form).expand_as(s) for s in ssim_map(torch.stack((ir, vi)), fused)]
    compared = {
        "intensity": (ir, vi, fused),
        "gradient": gradients,
        "ssim": (*similar, torch.ones_like(fused)),
    }
    maps = {}
    for term, (a, b, f) in compared.items():
        mixture = mix(a, b)
        shares = weight(a, b), weight(b, a)
        maps[term] = TermMaps(a, b, *shares, mixture, f, (f - mixture).abs())
    return maps


def pixel_table(maps: dict[str, TermMaps], loss: BSPLoss, y: int, x: int) -> pd.DataFrame:
    """Every number of one pixel of the first image: a row a term.

    `cost` is the residual times the term's factor; `share` is what of the
    loss this pixel makes, in millionths: negative never, 0 where it is right.
    """
    total = sum(getattr(loss, term) * m.residual[0].sum() for term, m in maps.items())
    rows = {}
    for term, m in maps.items():
        row = {name: value[0, 0, y, x].item() for name, value in vars(m).items()}
        row["cost"] = getattr(loss, term) * row["residual"]
        row["share"] = 1e6 * row["cost"] / max(total.item(), 1e-12)
        rows[term] = row
    return pd.DataFrame(rows).T.rename_axis("term")


def ssim_shares(fused: Tensor, ir: Tensor, vi: Tensor, names: Sequence[str]) -> pd.DataFrame:
    """The structure term's weights, of scenes (B, 1, H, W) alone and as one batch.

    Columns: the mean SSIM with each source; `share`, the infrared's weight as
    the released form has it, one for all windows; of Eq. 4's weights, one a
    window, the per cent outside [0, 1] and the largest; the term in both forms.
    """
    rows = {}
    alone = {name: slice(k, k + 1) for k, name in enumerate(names)}
    for name, part in {**alone, "as one batch": slice(None)}.items():
        paper, released = (
            term_maps(fused[part], ir[part], vi[part], form)["ssim"]
            for form in ("paper", "released")
        )
        shares = paper.w_infrared
        rows[name] = {
            "SSIM infrared": paper.infrared.mean().item(),
            "SSIM visible": paper.visible.mean().item(),
            "share": released.w_infrared[0, 0, 0, 0].item(),
            "% outside": 100 * ((shares < 0) | (shares > 1)).float().mean().item(),
            "largest": shares.abs().max().item(),
            "term, paper": paper.residual.mean().item(),
            "term, released": released.residual.mean().item(),
        }
    return pd.DataFrame(rows).T.rename_axis("scene")


def apart(loss: BSPLoss, fused: Tensor, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
    """The loss of each of K pairs as if it were alone: terms (K,) of images (K, 1, H, W)."""
    return torch.vmap(loss)(fused[:, None], ir[:, None], vi[:, None])
