"""Train in this process: `python -m fusionlib.training SPEC.json ...`.

SPEC.json is the spec.json of a run folder, or a file like it. Several are
trained at once, their networks stacked. Under torchrun several processes
share the shards of one:

    torchrun --nproc-per-node 2 -m fusionlib.training SPEC.json
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from torch import distributed

from fusionlib.errors import FusionError
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.probing import measure_steps
from fusionlib.training.recipes import train
from fusionlib.training.stacked import train_stack
from fusionlib.training.store import spec_of
from fusionlib.training.team import join


def main(argv: list[str] | None = None) -> int:
    """Train, or go on; prints the runs' folders and returns the exit code."""
    parser = argparse.ArgumentParser("python -m fusionlib.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("specs", type=Path, nargs="+", metavar="SPEC.json", help="what to train")
    parser.add_argument("--data", help="folder that holds the datasets (default: FUSIONLIB_DATA)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda if there is one)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--compiled", action="store_true", help="compile the step, see `train`")
    parser.add_argument(
        "--checkpoint-seconds",
        type=float,
        metavar="S",
        help="between checkpoints, of one training (default: 60)",
    )
    parser.add_argument(
        "--probe",
        type=int,
        metavar="N",
        help="keep nothing: take N steps and print what a step costs, as JSON",
    )
    given = parser.parse_args(argv)
    try:
        device = join() or given.device
        specs = [read_spec(file) for file in given.specs]
        if given.probe:
            print(json.dumps(asdict(measure_steps(specs, given.probe, given.data, device))))
        elif len(specs) > 1:
            for run in train_stack(specs, given.data, device, given.quiet):
                print(run.folder)
        else:
            how = (None, given.quiet, given.compiled, given.checkpoint_seconds)
            run = train(specs[0], given.data, device, *how)
            print(run.folder)
    except FusionError as error:
        print(f"fusionlib: {error}", file=sys.stderr)
        return 2
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def read_spec(file: Path) -> AnySpec:
    """The spec in a JSON file; FusionError where there is none."""
    try:
        return spec_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise FusionError(f"{file} holds no spec ({error}): name a run's spec.json.") from error


if __name__ == "__main__":
    sys.exit(main())
