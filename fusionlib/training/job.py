"""A process that trains, what it is started with, and why it failed."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fusionlib.training.store import Run


@dataclass(frozen=True, eq=False)
class Job:
    """What one process trains: a run, or several in a stack."""

    runs: tuple[Run, ...]
    data: str | None
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """The keys of its runs."""
        return " ".join(run.key for run in self.runs)

    @property
    def log(self) -> Path:
        """Where its process writes."""
        return self.runs[0].folder / "log"

    def command(self, device: str | None) -> list[str]:
        """What trains it, in this process's place or by hand."""
        files = [str(run.folder / "spec.json") for run in self.runs]
        command = [sys.executable, "-m", "fusionlib.training", *files]
        command += ["--data", self.data] if self.data else []
        return [*command, *(["--device", device] if device else [])]

    def start(self, device: str | None, *more: str, apart: bool = False) -> subprocess.Popen:
        """Its process, started.

        more: further arguments of the command.
        apart: out of reach of a Ctrl-C in the terminal or the notebook.
        """
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [*self.command(device), "--quiet", *more],
                env=os.environ | self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=apart,
            )

    def failure(self, code: int) -> str:
        """Why its process ended with that exit code, in a sentence."""
        if code < 0:
            name = signal.Signals(-code).name
            often = ", as a system without free memory does" if name == "SIGKILL" else ""
            return f"its process was killed ({name}{often})"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("fusionlib: ") if lines else f"exit code {code}"
