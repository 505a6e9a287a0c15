"""What training costs: a step against batch and patch size, a draw against T.

A step gathers patches that lie on the device by their indices. So what it
costs depends on the batch and the patch, and not on the paradigm or on T,
which only the draws of an epoch see. Both is measured, and from it the rows
of the paper follow.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fusionlib.data import open_pairs
from fusionlib.data.base import patch_source
from fusionlib.experiments.bsp import BATCH
from fusionlib.experiments.profiles import profile
from fusionlib.pairing import PARADIGMS, Draw
from fusionlib.training import Spec, probe

PATCH = 128  # of the papers
EPOCHS = 100
# Patches of the papers' bases: ten images of 480x640, and SPTP's for T = 15,000.
BASE_PATCHES, WIDE_PATCHES = 150, 15_000


@dataclass(frozen=True)
class Grid:
    """What is measured in a profile.

    batches, patches: sizes of a batch and sides of a patch, for UPTP.
    others: paradigms that are measured at the last of each.
    steps: timed steps of each.
    """

    batches: tuple[int, ...]
    patches: tuple[int, ...]
    others: tuple[str, ...]
    steps: int


GRIDS = {
    "smoke": Grid((2, 4), (32,), ("SPTP",), 2),
    "quick": Grid((2, 4, 8, 16), (64, 128), ("SPTP", "APTP"), 5),
    "paper": Grid((2, 8, 32, 128), (64, 128), ("SPTP", "APTP"), 50),
}
TRAINABLE = (150, 1500, 7500, 15_000)  # T of the draws


def steps(
    name: str,
    models: Sequence[str],
    data: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Measured cost of a step: a row a model, paradigm, batch and patch.

    Each row is a process of its own.

    Returns columns model, paradigm, batch, patch, ms, core_ms (processors'
    time), gflop, peak_mb, device and threads.
    """
    grid, sizes = GRIDS[name], profile(name)
    pairs = open_pairs(sizes.train, "train", data, sizes.base, sizes.size)
    cases = [("UPTP", batch, patch) for patch in grid.patches for batch in grid.batches]
    cases += [(mode, grid.batches[-1], grid.patches[-1]) for mode in grid.others]
    rows = []
    for model in models:
        for mode, batch, patch in cases:
            base = {side: patch_source(pairs, side, patch, patch) for side in ("ir", "vi")}
            spec = Spec(
                model, **base, relation=PARADIGMS[mode], pairs=batch, steps=1, batch=batch,
                precision=sizes.precision,
            )  # fmt: skip
            cost = probe(spec, grid.steps, data, device, threads)
            rows.append(
                {
                    "model": model, "paradigm": mode, "batch": batch, "patch": patch,
                    "ms": 1e3 * cost.seconds, "core_ms": 1e3 * cost.core_seconds,
                    "gflop": cost.flop / 1e9, "peak_mb": cost.peak_bytes / 2**20,
                    "device": cost.device, "threads": cost.threads,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def draws(repeats: int = 5) -> pd.DataFrame:
    """Milliseconds to draw an epoch's T pairs, a row a paradigm and T.

    Over the papers' bases: 150 patches a side, 15,000 for SPTP where T is
    larger. The least of some repeats.
    """
    rows = []
    for mode, relation in PARADIGMS.items():
        for pairs in TRAINABLE:
            patches = WIDE_PATCHES if mode == "SPTP" and pairs > BASE_PATCHES else BASE_PATCHES
            draw, times = Draw(relation, patches, patches, pairs), []
            for number in range(repeats):
                began = time.perf_counter()
                draw.epoch(number)
                times.append(1e3 * (time.perf_counter() - began))
            rows.append({"paradigm": mode, "T": pairs, "patches": patches, "ms": min(times)})
    return pd.DataFrame(rows)


def fit(measured: pd.DataFrame) -> pd.DataFrame:
    """A straight line through a model's times: fixed ms, and ms a million pixels.

    Returns a row a model with the columns fixed_ms, ms_per_mpx and r2.
    """
    rows = {}
    for model, found in measured[measured["paradigm"] == "UPTP"].groupby("model", sort=False):
        pixels = found["batch"] * found["patch"] ** 2 / 1e6
        slope, fixed = np.polyfit(pixels, found["ms"], 1)
        left = ((found["ms"] - fixed - slope * pixels) ** 2).sum()
        spread = ((found["ms"] - found["ms"].mean()) ** 2).sum()
        rows[model] = {"fixed_ms": fixed, "ms_per_mpx": slope, "r2": 1 - left / spread}
    return pd.DataFrame(rows).T.rename_axis("model")


def predict(lines: pd.DataFrame, epoch_ms: pd.DataFrame) -> pd.DataFrame:
    """What the paper's rows would take at the measured speed, alone.

    Args:
        lines: what `fit` returned.
        epoch_ms: what `draws` returned.

    Returns a row a model and T: steps of 100 epochs in batches of 8, hours
    of them, and seconds of all draws (the slowest paradigm's).
    """
    rows = []
    pixels = BATCH * PATCH**2 / 1e6
    slowest = epoch_ms.groupby("T")["ms"].max()
    for model, line in lines.iterrows():
        for pairs in (150, 7500, 15_000):
            count = EPOCHS * (pairs // BATCH)
            ms = line["fixed_ms"] + line["ms_per_mpx"] * pixels
            hours = count * ms / 3.6e6
            draw_seconds = EPOCHS * slowest[pairs] / 1e3
            rows.append({"model": model, "T": pairs, "steps": count, "hours": hours,
                         "draw_seconds": draw_seconds})  # fmt: skip
    return pd.DataFrame(rows)
