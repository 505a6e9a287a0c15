"""RegionFuse's Table 4: parameters, operations and time of the networks that this package has."""

from contextlib import nullcontext

import pandas as pd

from fusionlib import published
from fusionlib.experiments.fusing_time import seconds_of
from fusionlib.models import create_model
from fusionlib.models.cost import cost
from fusionlib.models.region_probes import sent_at_random
from fusionlib.models.regionfuse import RegionFuse

MODELS = ("piafusion", "cddfuse", "regionfuse")
HEIGHT, WIDTH = 480, 640
# Attention by shapes alone: gathering needs to know which tokens were chosen.
BY_SHAPE = {"regionfuse": {"masks": "drawn"}}


def efficiency(repeats: int = 1, height: int = HEIGHT, width: int = WIDTH) -> pd.DataFrame:
    """Each network on one pair, beside the printed cells.

    Args:
        repeats: timed calls; the quickest counts. 0 times none.
        height, width: of the pair, in pixels; the paper's are 480x640.

    Returns columns model, metric, paper and ours: "Params (M)", "FLOPs (G)"
    (thop's multiply-accumulates in 10^9), and where it was timed "with
    attention (G)", the same with the products between maps that thop passes
    over, as they are computed here, and "Time (ms)" in float32 on this CPU's
    threads. RegionFuse's tokens are sent evenly to its experts for both.
    """
    printed = published.load("regionfuse", 4).values.set_index(["model", "metric"])["value"]
    rows = []
    for name in MODELS:
        shapes = create_model(name, **BY_SHAPE.get(name, {})).to("meta")
        counted = cost(shapes, height, width, convention="thop")
        found = {"Params (M)": counted.parameters / 1e6, "FLOPs (G)": counted.macs / 1e9}
        if repeats:
            model = create_model(name).eval()
            routed = sent_at_random(model) if isinstance(model, RegionFuse) else nullcontext()
            with routed:
                found["with attention (G)"] = cost(model, height, width).macs / 1e9
                found["Time (ms)"] = 1e3 * seconds_of(model, height, width, repeats=repeats)
        for metric, ours in found.items():
            paper = printed.get((name, metric))
            rows.append({"model": name, "metric": metric, "paper": paper, "ours": ours})
    return pd.DataFrame(rows).astype({"paper": float})
