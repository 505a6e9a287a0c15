"""A training in a process beside this one, started and stopped by hand."""

import atexit
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import torch

from fusionlib.settings import store_root
from fusionlib.training.any_spec import AnySpec
from fusionlib.training.job import Job
from fusionlib.training.store import open_run

CHECKPOINT_SECONDS = 2  # what is seen of it is so old at most


class Background:
    """The training that `train(spec)` makes, in a process of its own.

    It has as many threads as this process, so that it ends with the same
    weights. It ends with this process; what is stopped goes on from its
    checkpoint at the next start, here or by `train`. Two objects of one spec
    have one process.

    Args:
        spec, data, device: as `train`.
    """

    _processes: ClassVar[dict[Path, subprocess.Popen]] = {}

    def __init__(self, spec: AnySpec, data: str | Path | None = None, device: str | None = None):
        self.run, self.device = open_run(spec), device
        self._asked: subprocess.Popen | None = None
        environment = {
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
            "FUSIONLIB_STORE": str(store_root().resolve()),
        }
        self.job = Job((self.run,), str(data) if data else None, environment)

    @property
    def process(self) -> subprocess.Popen | None:
        """The last one that was started."""
        return self._processes.get(self.run.folder)

    @property
    def alive(self) -> bool:
        """Whether its process has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, or let it go on; nothing where it is at work or finished."""
        if self.alive or self.run.finished:
            return
        often = ("--checkpoint-seconds", str(CHECKPOINT_SECONDS))
        process = self.job.start(self.device, *often, apart=True)
        self._processes[self.run.folder] = process
        atexit.register(process.terminate)

    def stop(self) -> None:
        """Ask it to stop after its step and a checkpoint."""
        if self.alive and not self.stopping:  # asked twice it would not wait for them
            self._asked = self.process
            self.process.terminate()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and has not yet."""
        return self.alive and self.process is self._asked

    @property
    def failure(self) -> str | None:
        """Why its process failed; None while it has not."""
        code = None if self.process is None else self.process.poll()
        return None if code in (None, 0, -signal.SIGTERM) else self.job.failure(code)
