"""What Figure 5 of Beyond Strict Pairing explains, measured.

A relation decides which infrared grey level ever meets which visible one at a
pixel, and which gradient meets which. The joint histogram over all pairs of a
relation tells how much of that plane training can see: its entropy, and the
part of its cells that are reached.

All N^2 pairs are counted without making one: at each pixel of the patch every
infrared value meets every visible value, so the histogram is a sum over pixels
of outer products of the two modalities' own histograms.
"""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.data.base import Base
from fusionlib.losses.windows import gradient
from fusionlib.pairing import RELATIONS, Draw

BINS = 64
# Sobel magnitudes of grey levels in [0, 1]; larger ones are rare and share the last cell.
STEEPEST = 2.0
KINDS = ("intensity", "gradient")


def cells(patches: Tensor, kind: str, bins: int = BINS) -> Tensor:
    """Patches (N, P, P) uint8 -> the cell of each pixel (N, P, P), 0 to bins - 1.

    Args:
        patches: grey levels.
        kind: "intensity", or "gradient": the Sobel magnitude.
        bins: cells along an axis.
    """
    values = patches.float() / 255
    if kind == "gradient":
        values = gradient(values) / STEEPEST
    return (values * bins).long().clamp(0, bins - 1)


def joint(base: Base, relation: str, kind: str = "intensity", bins: int = BINS) -> Tensor:
    """How often each pair of values meets under a relation, over all its pairs.

    Returns (bins, bins) float64 counts, infrared down, visible across.
    """
    ir, vi = (cells(patches, kind, bins).flatten(1) for patches in (base.ir, base.vi))
    if relation == "strict":
        return _count(ir, vi, bins)
    # (pixel, cell): how many patches have that value there.
    per_pixel = [F.one_hot(side.T, bins).sum(1).double() for side in (ir, vi)]
    every = per_pixel[0].T @ per_pixel[1]
    if relation == "arbitrary":
        return every
    aligned = min(len(ir), len(vi))
    return every - _count(ir[:aligned], vi[:aligned], bins)


def entropy(counts: Tensor) -> float:
    """Of the joint distribution, in bits; at most 2 log2(bins)."""
    p = counts[counts > 0] / counts.sum()
    return -(p * p.log2()).sum().item()


def coverage(counts: Tensor) -> float:
    """The part of all cells that at least one pixel reaches, 0 to 1."""
    return (counts > 0).double().mean().item()


def against_size(base: Base, sizes: Sequence[int], kinds: tuple[str, ...] = KINDS) -> pd.DataFrame:
    """Entropy and coverage of each relation over the first N patches a side.

    Returns columns patches, kind, relation, pairs, entropy, coverage.
    """
    rows = []
    for size in sizes:
        part = Base(base.ir[:size], base.vi[:size])
        for kind in kinds:
            for relation in RELATIONS:
                if relation == "unpaired" and size == 1:
                    continue  # one patch a side has no other
                counts = joint(part, relation, kind)
                rows.append(
                    {"patches": size, "kind": kind, "relation": relation}
                    | {"pairs": int(counts.sum()) // base.ir[0].numel()}
                    | {"entropy": entropy(counts), "coverage": coverage(counts)}
                )
    return pd.DataFrame(rows)


def over_epochs(base: Base, draws: dict[str, Draw], epochs: Sequence[int]) -> pd.DataFrame:
    """How much of the intensities' plane, and of all pairs, draws meet by then.

    Args:
        base: the patches.
        draws: by name.
        epochs: when to look, in rising order.

    Returns columns draw, epochs, coverage, met: the part of all N M pairs.
    """
    ir, vi = (cells(patches, "intensity").flatten(1) for patches in (base.ir, base.vi))
    rows = []
    for name, draw in draws.items():
        counts, met, done = torch.zeros(BINS, BINS, dtype=torch.float64), set(), 0
        for until in epochs:
            for epoch in range(done, until):
                pairs = draw.epoch(epoch)
                met.update(map(tuple, pairs.tolist()))
                # In parts: thousands of patches at once take gigabytes.
                for part in torch.from_numpy(pairs).split(256):
                    counts += _count(ir[part[:, 0]], vi[part[:, 1]], BINS)
            done = until
            rows.append(
                {"draw": name, "epochs": until, "coverage": coverage(counts)}
                | {"met": len(met) / (draw.n_ir * draw.n_vi)}
            )
    return pd.DataFrame(rows)


def _count(ir: Tensor, vi: Tensor, bins: int) -> Tensor:
    met = (ir * bins + vi).flatten()
    return torch.bincount(met, minlength=bins * bins).view(bins, bins).double()
