"""How fused images change while networks train (Figures 2 and 3)."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from fusionlib.data import Pair
from fusionlib.experiments.kept import Kept
from fusionlib.experiments.measure import train_all
from fusionlib.experiments.row import Row
from fusionlib.inference import fuse
from fusionlib.training import open_run

EARLY = (20, 80)  # the steps that the text names
Films = dict[str, dict[int, Tensor]]  # mode -> step -> (1, H, W)


def films(
    rows: Sequence[Row],
    pair: Pair,
    protocol: str,
    data: str | Path | None = None,
    workers: int | None = 1,
    kept: Path | None = None,
) -> Films:
    """What every snapshot of each row's first run makes of a pair.

    Trains what is missing; where `kept`, a table of distances, was made from
    these runs on another machine, nothing is trained and there is no film.
    """
    specs = [row.specs[0] for row in rows]
    before = Kept(kept, protocol=protocol)
    here = all(open_run(spec).finished for spec in specs)
    if not here and before.made_from(spec.key for spec in specs):
        return {}
    runs = train_all(specs, data, workers)
    return {
        row.mode: {
            step: fuse(run.model(step), pair.ir[None], pair.vi[None], protocol)[0]
            for step in run.steps
        }
        for row, run in zip(rows, runs, strict=True)
    }


def distances(films: Films, kept: Path | None = None) -> pd.DataFrame:
    """Mean distance of images, in levels of 255: from each other, and from the last.

    Without a film it is the table `kept`, made where the runs are.
    """
    if not films:
        return Kept(kept).table
    (first, one), (second, other) = films.items()
    last = max(one)

    def far(a: Tensor, b: Tensor) -> float:
        return 255 * (a - b).abs().mean().item()

    return pd.DataFrame(
        {
            "step": step,
            f"{first} to {second}": far(one[step], other[step]),
            f"{first} to its last": far(one[step], one[last]),
            f"{second} to its last": far(other[step], other[last]),
        }
        for step in one
    )


def stages(scores: pd.DataFrame, early: Sequence[int] = EARLY) -> pd.DataFrame:
    """Rows of some snapshots as rows of a table, which claims may compare.

    Args:
        scores: what `snapshot_scores` returned.
        early: steps; those that no run kept are left out.

    Returns the rows of each run's last step, and those of the early ones,
    whose mode is "UPTP at step 20", for example.
    """
    is_last = scores["step"] == scores.groupby("key")["step"].transform("max")
    some = scores[scores["step"].isin(early) & ~is_last]
    named = some["mode"] + " at step " + some["step"].astype(str)
    return pd.concat([scores[is_last], some.assign(mode=named)], ignore_index=True)
