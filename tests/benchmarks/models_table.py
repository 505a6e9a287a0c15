"""Time the models, ours beside their published form: `python -m tests.benchmarks.models_table`.

The sides take turns, with torch's threads; run it on an idle machine. Each has a process of its
own for each line, because times also depend on where the memory comes from, which is the
process's: ours keeps what it frees, as every training and fusing of this package does; the
published form has the system's default, and then once more ours, so that the table tells what of
the gain is only memory.
"""

import argparse
import gc
import multiprocessing
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from fusionlib.memory import keep_freed_memory
from fusionlib.training.provenance import provenance
from tests.benchmarks import floors, model_cases
from tests.benchmarks.table import processor, write

WARM = 1  # round; a process has all its memory after three calls
# Whose layers, and whether freed memory is kept.
SIDES = {"ours": True, "published": False, "published_kept": True}
_calls = {}  # of this process


def prepare(side, name, device):
    """Make the call of a side ready in this process, and run it once."""
    if SIDES[side]:
        keep_freed_memory()
    case = model_cases.case(name, device=device)
    _calls[side] = case.ours if side == "ours" else case.literal
    _calls[side]()


def turn(side):
    """Milliseconds of one call, after one that fills the caches with this side's memory."""
    gc.collect()
    _calls[side]()
    began = time.perf_counter()
    _calls[side]()
    return (time.perf_counter() - began) * 1e3


def work(ceilings):
    """flop, bytes and floor (in seconds) of what ours does in a call."""
    with floors.Work() as counted:
        _calls["ours"]()
    return counted.flop, counted.bytes, counted.floor(ceilings)


def row(name, rounds, device, ceilings):
    """One line of the table: medians, quartiles, the median of each round's quotient, the floor."""
    spawn = multiprocessing.get_context("spawn")
    model, task, precision = name.split()
    found, times = {"model": model, "task": task, "precision": precision}, {}
    with ExitStack() as alive:
        pools = {
            side: alive.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for side in SIDES
        }
        for side, pool in pools.items():
            pool.submit(prepare, side, name, device).result()
            times[side] = []
        for _ in range(WARM + rounds):
            for side, pool in pools.items():
                times[side].append(pool.submit(turn, side).result())
        flop, size, floor = pools["ours"].submit(work, ceilings).result()
    times = {side: np.array(found[WARM:]) for side, found in times.items()}
    for side, measured in times.items():
        low, middle, high = np.percentile(measured, [25, 50, 75]).tolist()
        found |= {f"{side}_ms": middle, f"{side}_ms_q1": low, f"{side}_ms_q3": high}
    found["ratio"] = np.median(times["ours"] / times["published"]).item()
    found["ratio_kept"] = np.median(times["ours"] / times["published_kept"]).item()
    found |= {"gflop": flop / 1e9, "gbyte": size / 1e9, "floor_ms": floor * 1e3}
    found["over_floor"] = found["ours_ms"] / found["floor_ms"]
    return {
        key: round(value, 3) if isinstance(value, float) else value for key, value in found.items()
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="the table as csv; a json beside it says where")
    parser.add_argument("--rounds", type=int, default=11, help="times that each side is timed")
    parser.add_argument("--only", default="", help="part of the names of what is timed")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)

    ceilings = floors.ceilings(options.device)
    conditions = {
        "step": "8 patches of 128x128: forward, loss, backward, Adam",
        "tiled, whole": "one 640x480 pair; the published form in float32, 4 tiles at a time",
        "floor": "sum over ours' operations of the longer of flop and bytes at the ceilings",
        "ceilings": {
            "float32, Gflop/s": round(ceilings["float32"] / 1e9),
            "bfloat16, Gflop/s": round(ceilings["bfloat16"] / 1e9),
            "copy, Gbyte/s": round(ceilings["copy"] / 1e9, 1),
        },
        "memory": "ours keeps what it frees (fusionlib.memory); published: glibc's default",
        "rounds": options.rounds,
        "load_before": round(os.getloadavg()[0], 2),
        "processor": processor(),
        "system": platform.platform(),
        **provenance(options.device),
    }
    print(
        f"{conditions['processor']}, {conditions['cores']} cores, load {conditions['load_before']}"
    )
    print(f"torch {conditions['torch']}, {torch.get_num_threads()} threads")
    print(f"{', '.join(f'{name} {value}' for name, value in conditions['ceilings'].items())}")
    columns = f"{'ours':>20}{'as published':>20}{'ratio':>7}{'target':>7}{'memory kept':>20}"
    columns += f"{'ratio':>7}{'floor':>7}{'over it':>8}"
    print(f"\n{'ms':32}{columns}")
    rows = []
    for name in model_cases.NAMES:
        if options.only in name:
            rows.append(row(name, options.rounds, options.device, ceilings))
            print(_line(name, rows[-1]), flush=True)
    if options.output:
        write(options.output, rows, conditions)


def _line(name, found):
    ours, published, kept = (
        f"{found[f'{side}_ms']:.0f} ({found[f'{side}_ms_q1']:.0f}-{found[f'{side}_ms_q3']:.0f})"
        for side in SIDES
    )
    target = model_cases.TARGETS.get(name)
    return (
        f"{name:32}{ours:>20}{published:>20}{found['ratio']:7.3f}"
        f"{f'{target:.3f}' if target else '':>7}{kept:>20}{found['ratio_kept']:7.3f}"
        f"{found['floor_ms']:7.0f}{found['over_floor']:8.2f}"
    )


if __name__ == "__main__":
    main()
