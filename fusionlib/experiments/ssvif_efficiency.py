"""SSVIF's Table IV: what its three channels cost at inference."""

import pandas as pd

from fusionlib import published
from fusionlib.experiments.fusing_time import seconds_of
from fusionlib.experiments.ssvif import FRAMEWORK, ORIGINAL
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from fusionlib.models.footprint import footprint

MODELS = ("swinfusion", "emma", "seafusion")
CHANNELS = {ORIGINAL: 1, FRAMEWORK: 3}
SIDE = 256  # of the paper's images


def efficiency(models: tuple[str, ...] = MODELS, side: int = SIDE, repeats: int = 3):
    """Parameters, operations, memory and time of one pair, grey and in colour.

    Args:
        models: fusion models.
        side: of the pair, in pixels.
        repeats: timed calls; the quickest counts. 0 times none.

    Returns a table with columns model, framework, metric, paper (at 256
    pixels) and ours. Metrics are those of Table IV and "ms", in float32 on
    this CPU's threads. "Params (M)" counts what is trained, "FLOPs (G)" are
    fvcore's multiply-accumulates in 10^9, "Mem (MB)" is `footprint` in 2^20
    bytes, with attention written out, as SwinFusion's authors do.
    """
    printed = published.load("ssvif", 4).values.set_index(["model", "framework", "metric"])["value"]
    rows = []
    for name in models:
        for framework, channels in CHANNELS.items():
            # Shapes alone tell what is counted: nothing is computed on "meta".
            shapes = create_model(name, channels).to("meta")
            counted = cost(shapes, side, side, channels, "fvcore")
            found = {
                "Params (M)": counted.parameters / 1e6,
                "FLOPs (G)": counted.macs / 1e9,
                "Mem (MB)": footprint(shapes, side, side, channels) / 2**20,
            }
            if repeats:
                model = create_model(name, channels).eval()
                found["ms"] = 1e3 * seconds_of(model, side, side, channels, repeats)
            for metric, value in found.items():
                paper = printed.get((name, framework.lower(), metric)) if side == SIDE else None
                row = {"model": name, "framework": framework, "metric": metric}
                rows.append(row | {"paper": paper, "ours": value})
    return pd.DataFrame(rows).astype({"paper": float})
