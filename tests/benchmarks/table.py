"""Time twelve metrics, ours beside a NumPy reference: `python -m tests.benchmarks.table`.

Both sides take turns in one process, so that whatever else the machine does meets them alike. The
reference runs in one thread and ours in torch's: OMP_NUM_THREADS=1 before the command gives ours
one too. Where FUSIONLIB_DATA is set the pair is a real one, and the table says which.
"""

import argparse
import csv
import gc
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

from fusionlib.files import write_whole
from fusionlib.training.provenance import provenance
from tests.benchmarks import cases

BATCH = 8
STREAM = 50


def time_in_turns(calls, rounds):
    """Milliseconds of each call in each round: a list of `rounds` for every call."""
    for call in calls:
        call()  # warm
    times = [[] for _ in calls]
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for call, found in zip(calls, times):
                start = time.perf_counter()
                call()
                found.append((time.perf_counter() - start) * 1e3)
    finally:
        gc.enable()
    return times


def row(call, images, rounds):
    """One line of the table: the medians, their quartiles, and how they compare."""
    names, arrays = cases.CALLS[call], cases.arrays_of(images)
    batch = [image.repeat(BATCH, 1, 1, 1) for image in images]
    ours, reference, batched = time_in_turns(
        [
            lambda: cases.ours(images, names),
            lambda: cases.reference(arrays, names),
            lambda: cases.ours(batch, names),
        ],
        rounds,
    )
    found = {"metric": call}
    for side, times in (("ours", ours), ("reference", reference)):
        low, middle, high = np.percentile(times, [25, 50, 75]).tolist()
        found |= {f"{side}_ms": middle, f"{side}_ms_q1": low, f"{side}_ms_q3": high}
    # Each round's own quotient: a slow moment of the machine then counts on both sides.
    found["times_as_fast"] = np.median(np.divide(reference, ours)).item()
    found["ours_batch_ms_per_pair"] = np.median(batched).item() / BATCH
    return {key: value if key == "metric" else round(value, 3) for key, value in found.items()}


def stream_memory(images):
    """The process's peak in MiB before any scoring, after the first pair and after the last.

    A peak from before, as of rendering a scene, hides as much growth.
    """
    peaks = [_peak()]
    for shift in range(STREAM):
        cases.ours([image.roll(shift, -1) for image in images], cases.NAMES)
        peaks.append(_peak())
    return {
        "pairs": STREAM,
        "peak_mib_before": peaks[0],
        "peak_mib_after_first": peaks[1],
        "peak_mib_after_last": peaks[-1],
    }


def _peak():
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (2**20 if sys.platform == "darwin" else 2**10), 1)


def processor():
    lines = Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="the table as csv; a json beside it says where")
    parser.add_argument("--rounds", type=int, default=21, help="times that each call is timed")
    options = parser.parse_args(arguments)

    real = bool(os.environ.get("FUSIONLIB_DATA"))
    chosen = ("MSRS", "00491D") if real else ("scenes", "0000D")
    images = cases.open_images(*chosen)
    memory = stream_memory(images)  # first: the peak never falls again
    height, width = images[0].shape[-2:]
    conditions = {
        "pair": f"{chosen[0]} test {chosen[1]}, fused: mean of the sources",
        "size": f"{width}x{height}",
        "dtype": str(images[0].dtype).removeprefix("torch."),
        "rounds": options.rounds,
        "batch": BATCH,
        "processor": processor(),
        "system": platform.platform(),
        **provenance(),
        "memory": memory,
    }
    print(f"{conditions['pair']}, {conditions['size']}, {conditions['dtype']}")
    print(f"{conditions['processor']}, {conditions['cores']} cores, {conditions['system']}")
    print(f"torch {conditions['torch']}, {torch.get_num_threads()} threads")
    print(f"\n{'ms':12}{'ours':>20}{'reference':>20}{'x':>7}{f'ours, {BATCH} a batch':>20}")
    rows = []
    for call in cases.CALLS:
        rows.append(row(call, images, options.rounds))
        print(_line(rows[-1]), flush=True)
    print(
        f"\npeak memory: {memory['peak_mib_before']} MiB before, {memory['peak_mib_after_first']} "
        f"after 1 pair, {memory['peak_mib_after_last']} after {STREAM} pairs"
    )
    if options.output:
        write(options.output, rows, conditions)


def _line(found):
    columns = [
        f"{found[f'{side}_ms']:7.2f} ({found[f'{side}_ms_q1']:.2f}-{found[f'{side}_ms_q3']:.2f})"
        for side in ("ours", "reference")
    ]
    return (
        f"{found['metric']:12}{columns[0]:>20}{columns[1]:>20}{found['times_as_fast']:7.2f}"
        f"{found['ours_batch_ms_per_pair']:20.2f}"
    )


def write(path, rows, conditions):
    def write_rows(beside):
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write_whole(path, write_rows)
    text = json.dumps(conditions, indent=1) + "\n"
    write_whole(path.with_suffix(".json"), lambda beside: beside.write_text(text))


if __name__ == "__main__":
    main()
