"""The process in which one notebook runs: papermill, this interpreter, a neutral folder.

`python -m fusionlib.runner.execute` reads a JSON job from stdin. What it writes to stdout is
the notebook's log; a line that starts with EVENT is for the runner: `cell n total title`,
or `failed sentence`.
"""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

EVENT = "\x1e"
KILLED = 138  # papermill's own exit code for a dead kernel


def _event(*fields: object) -> None:
    print(EVENT + "\t".join(" ".join(str(f).split()) for f in fields), flush=True)


class _Log:
    """Receives the kernel's output and passes on whole lines.

    A progress bar redraws one line after a carriage return: of that only the
    latest state is kept, at most one a second.
    """

    def __init__(self):
        self.tail, self.shown = "", 0.0

    def write(self, text: str) -> None:
        *lines, self.tail = (self.tail + text).split("\n")
        for line in lines:
            self._show(line)
        if "\r" in self.tail and time.monotonic() - self.shown >= 1:
            self._show(self.tail)
            self.tail = self.tail[self.tail.rfind("\r") :]

    def _show(self, line: str) -> None:
        states = [state.rstrip() for state in line.split("\r") if state.strip()]
        if states:
            print(states[-1], flush=True)
            self.shown = time.monotonic()

    def flush(self) -> None:
        sys.stdout.flush()


class _Cells:
    """Says which code cell begins, by its heading or its first comment."""

    def __init__(self, total: int):
        self.n, self.total, self.heading = 0, total, ""

    def __call__(self, cell, cell_index):
        first = cell.source.strip().partition("\n")[0]
        if cell.cell_type == "markdown" and first.startswith("#"):
            self.heading = first.lstrip("# ")
        elif cell.cell_type == "code" and first:
            self.n += 1
            title = first.lstrip("# ") if first.startswith("#") else self.heading
            _event("cell", self.n, self.total, title)


def _own_kernelspec(folder: Path) -> None:
    """Let `python3` mean this interpreter, whatever the user's kernels say."""
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(str(folder / "kernels" / "python3"))
    os.environ["JUPYTER_PATH"] = str(folder)
    # Neither a read-only home nor the user's IPython start-up files matter.
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    os.environ["IPYTHONDIR"] = str(folder / "ipython")


def _run(job: dict, folder: Path) -> None:
    import nbformat
    import papermill

    source = nbformat.read(job["notebook"], as_version=4)
    code = sum(c.cell_type == "code" and bool(c.source.strip()) for c in source.cells)
    for attempt in (1, 2):
        cells = _Cells(code + bool(job["parameters"]))
        try:
            papermill.execute_notebook(
                job["notebook"].replace("{", "{{").replace("}", "}}"),  # papermill formats paths
                job["output"].replace("{", "{{").replace("}", "}}"),
                parameters=job["parameters"],
                kernel_name="python3",
                progress_bar=False,
                stdout_file=(log := _Log()),
                stderr_file=log,
                cwd=str(folder / "work"),
                start_timeout=180,
                iopub_timeout=120,
                on_cell_start=cells,
            )
            return
        except RuntimeError:
            # Before any cell: the kernel did not start, mostly a race for ports.
            if cells.n or attempt == 2:
                raise
            print("The kernel did not start; trying once more.", flush=True)


def main() -> int:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    # Ctrl-C reaches the runner too, which then ends this process in order.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    job = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="fusionlib-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        (folder / "work").mkdir()
        _own_kernelspec(folder)
        try:
            _run(job, folder)
        except DeadKernelError:
            return KILLED
        except PapermillExecutionError as error:
            print("\n".join(error.traceback), flush=True)
            friendly = error.ename == "FusionError"
            _event("failed", error.evalue if friendly else f"{error.ename}: {error.evalue}")
            return 1
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            _event("failed", f"{type(error).__name__}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
