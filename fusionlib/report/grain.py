"""Grain: what moves in a fused image where nothing moves in its sources."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.data import Pair, PairSet
from fusionlib.experiments.kept import Kept
from fusionlib.inference import fuse
from fusionlib.training import Run

FLAT = 0.25  # the share of the pixels that count as flat


def grain_of(fused: Tensor, ir: Tensor, vi: Tensor) -> float:
    """Mean distance of a fused image to its 3x3 mean where both sources are flat.

    fused, ir, vi: (1, H, W) in [0, 1]. Flat is the quarter of the pixels with
    the smallest such distance in the sources, the larger of both.

    Returns grey levels of 255.
    """
    rough = torch.maximum(_rough(ir), _rough(vi))
    # Of many equal pixels, as in a black sky, all are flat.
    flat = rough <= rough.flatten().kthvalue(max(1, int(FLAT * rough.numel()))).values
    return 255 * _rough(fused)[flat].mean().item()


def grain(
    networks: Mapping[str, Sequence[Run]], pairs: PairSet, protocol: str, kept: Path | None = None
) -> pd.DataFrame:
    """`grain_of` every pair and run: columns mode, seed, key, image, grain.

    Args:
        networks: runs by the name of their row.
        pairs: the test set.
        protocol: as `fusionlib.inference.fuse` takes it.
        kept: a table of before: what it has is not measured again.
    """
    before, parts = Kept(kept, protocol=protocol), []
    for mode, runs in networks.items():
        for run in runs:
            # Nothing else keeps these numbers: the run store holds scores alone.
            rows = before.scores(run.key, pairs)
            if rows is None:
                model = run.model().eval()
                values = [_one(model, pair, protocol) for pair in pairs]
                rows = pd.DataFrame({"image": pairs.names, "grain": values})
            where = {"test_set": pairs.dataset, "mode": mode, "seed": run.spec.seed}
            parts.append(rows.assign(**where, key=run.key))
    table = pd.concat(parts, ignore_index=True)
    return table[["test_set", "mode", "seed", "key", "image", "grain"]]


def _one(model, pair: Pair, protocol: str) -> float:
    fused = fuse(model, pair.ir[None], pair.vi[None], protocol)[0].cpu()
    return grain_of(fused, pair.ir, pair.vi)


def _rough(image: Tensor) -> Tensor:
    mean = F.avg_pool2d(F.pad(image[None], (1, 1, 1, 1), "reflect"), 3, 1)[0]
    return (image - mean).abs()
