"""RegionFuse's Table 4: parameters, operations and time of the networks that this package has."""

import pandas as pd

from fusionlib import published
from fusionlib.experiments.fusing_time import seconds_of
from fusionlib.models import create_model
from fusionlib.models.cost import cost

MODELS = ("piafusion", "cddfuse", "regionfuse")
HEIGHT, WIDTH = 480, 640
# Attention by shapes alone: gathering needs to know which tokens were chosen.
BY_SHAPE = {"regionfuse": {"masks": "drawn"}}


def efficiency(repeats: int = 1) -> pd.DataFrame:
    """Each network on one pair of 480x640, beside the printed cells.

    Args:
        repeats: timed calls; the quickest counts. 0 times none.

    Returns columns model, metric, paper and ours: "Params (M)", "FLOPs (G)"
    (thop's multiply-accumulates in 10^9), "Time (ms)" in float32 on this CPU's
    threads, where it was timed.
    """
    printed = published.load("regionfuse", 4).values.set_index(["model", "metric"])["value"]
    rows = []
    for name in MODELS:
        shapes = create_model(name, **BY_SHAPE.get(name, {})).to("meta")
        counted = cost(shapes, HEIGHT, WIDTH, convention="thop")
        found = {"Params (M)": counted.parameters / 1e6, "FLOPs (G)": counted.macs / 1e9}
        if repeats:
            found["Time (ms)"] = 1e3 * seconds_of(
                create_model(name).eval(), HEIGHT, WIDTH, repeats=repeats
            )
        for metric, ours in found.items():
            paper = printed.get((name, metric))
            rows.append({"model": name, "metric": metric, "paper": paper, "ours": ours})
    return pd.DataFrame(rows).astype({"paper": float})
