"""Time the models, ours beside their published form: `python -m tests.benchmarks.models_table`.

Both sides take turns in one process, with torch's threads; run it on an idle machine. Each line has
a process of its own, because times also depend on what a process did before: large maps come from
new memory each time, until something larger was freed.
"""

import argparse
import multiprocessing
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from fusionlib.training.provenance import provenance
from tests.benchmarks import model_cases
from tests.benchmarks.table import processor, time_in_turns, write


def row(name, rounds):
    """One line of the table: medians, quartiles, and the median of each round's quotient."""
    case = model_cases.case(name)
    ours, literal = time_in_turns([case.ours, case.literal], rounds)
    model, task, precision = name.split()
    found = {"model": model, "task": task, "precision": precision}
    for side, times in (("ours", ours), ("published", literal)):
        low, middle, high = np.percentile(times, [25, 50, 75]).tolist()
        found |= {f"{side}_ms": middle, f"{side}_ms_q1": low, f"{side}_ms_q3": high}
    found["ratio"] = np.median(np.divide(ours, literal)).item()
    return {
        key: round(value, 3) if isinstance(value, float) else value for key, value in found.items()
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="the table as csv; a json beside it says where")
    parser.add_argument("--rounds", type=int, default=11, help="times that each side is timed")
    parser.add_argument("--only", default="", help="part of the names of what is timed")
    options = parser.parse_args(arguments)

    conditions = {
        "step": "8 patches of 128x128: forward, loss, backward, Adam",
        "tiled, whole": "one 640x480 pair; the published form in float32, 4 tiles at a time",
        "rounds": options.rounds,
        "load_before": round(os.getloadavg()[0], 2),
        "processor": processor(),
        "system": platform.platform(),
        **provenance(),
    }
    print(
        f"{conditions['processor']}, {conditions['cores']} cores, load {conditions['load_before']}"
    )
    print(f"torch {conditions['torch']}, {torch.get_num_threads()} threads")
    print(f"\n{'ms':32}{'ours':>24}{'as published':>24}{'ratio':>8}{'target':>8}")
    rows = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as fresh:
        for name in model_cases.NAMES:
            if options.only in name:
                rows.append(fresh.submit(row, name, options.rounds).result())
                print(_line(name, rows[-1]), flush=True)
    if options.output:
        write(options.output, rows, conditions)


def _line(name, found):
    columns = [
        f"{found[f'{side}_ms']:.0f} ({found[f'{side}_ms_q1']:.0f}-{found[f'{side}_ms_q3']:.0f})"
        for side in ("ours", "published")
    ]
    target = model_cases.TARGETS.get(name)
    return (
        f"{name:32}{columns[0]:>24}{columns[1]:>24}{found['ratio']:8.3f}"
        f"{f'{target:.3f}' if target else '':>8}"
    )


if __name__ == "__main__":
    main()
