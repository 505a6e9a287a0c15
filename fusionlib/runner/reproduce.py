"""Run notebooks, each in a process of its own, and say what came of each.

Everything that can be refused is refused before the first one starts: names, parameters, the
profile, the data folder. Afterwards the declared results are looked at.
"""

import json
import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionlib import settings
from fusionlib.errors import FusionError
from fusionlib.runner import results as results_of
from fusionlib.runner.execute import EVENT, KILLED
from fusionlib.runner.notebooks import PROFILES, Notebook, find
from fusionlib.runner.parameters import unknown

_GIVEN_BY_RUNNER = ("profile", "data", "results")
_STAGGER = 1.5  # seconds between two starts: kernels that start together race for ports
_HEARTBEAT = 15.0  # seconds without a line after which the elapsed time is shown


@dataclass(frozen=True)
class Outcome:
    """What came of one notebook: `problems` is empty if all is well."""

    name: str
    folder: Path
    seconds: float
    problems: tuple[str, ...]
    rerun: str

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def summary(self) -> str:
        """What the notebook's record sums up, "" if it has none."""
        record = self.folder / "record.json"
        return json.loads(record.read_text("utf-8")).get("summary", "") if record.exists() else ""


@dataclass(frozen=True)
class _Job:
    notebook: Notebook
    parameters: dict[str, Any]
    folder: Path
    environment: dict[str, str]
    rerun: str


def reproduce(
    names: list[str] | None = None,
    profile: str = "smoke",
    data: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    results: str | Path | None = None,
    jobs: int | None = None,
) -> list[Outcome]:
    """Run notebooks at a profile; one outcome each, in their order.

    names: notebooks or folders of them; None: all.
    profile: smoke, quick or paper.
    data: folder of the datasets; else FUSIONLIB_DATA, at quick and paper.
    overrides: other parameters by name, as values or as text. Each must exist in
        at least one of the notebooks.
    results: root of the result folders; each notebook writes in
        `<root>/<name>/<profile>/`, where its log and its executed copy go too.
    jobs: notebooks at once; None: 2 at smoke where there are 2 cores, else 1.

    Raises FusionError, before anything runs, for an unknown name or value.
    """
    notebooks = find(names)
    if not notebooks:
        raise FusionError("There is no notebook: set FUSIONLIB_NOTEBOOKS to their folder.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = min(2 if profile == "smoke" else 1, cores) if jobs is None else jobs
    if jobs < 1:
        raise FusionError(f"The number of jobs must be 1 or more, not {jobs}.")
    jobs = min(jobs, len(notebooks))
    threads = max(1, cores // jobs) if jobs > 1 else None  # None: all, as torch sees fit
    planned = _plan(notebooks, profile, data, overrides or {}, results, threads)
    return _run_all(planned, jobs)


def digest(outcomes: list[Outcome]) -> str:
    """What each notebook sums up; why the others failed and how to rerun them."""
    failed = [outcome for outcome in outcomes if not outcome.ok]
    lines = []
    for outcome in outcomes:
        if outcome.ok and (summary := outcome.summary):
            lines += [outcome.name, summary, ""]
    lines += [f"{len(outcomes) - len(failed)} of {len(outcomes)} notebooks reproduced."]
    for outcome in failed:
        lines += ["", f"FAILED {outcome.name}", *(f"  {problem}" for problem in outcome.problems)]
        lines += [f"  log:   {outcome.folder / 'run.log'}", f"  again: {outcome.rerun}"]
    return "\n".join(lines)


def _plan(
    notebooks: list[Notebook],
    profile: str,
    data: str | Path | None,
    overrides: dict[str, Any],
    results: str | Path | None,
    threads: int | None,
) -> list[_Job]:
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    for name in overrides:
        if name in _GIVEN_BY_RUNNER:
            raise FusionError(f"The parameter {name} has an option of its own: use --{name}.")
        if not any(notebook.parameter(name) for notebook in notebooks):
            known = {p.name for n in notebooks for p in n.parameters} - {*_GIVEN_BY_RUNNER}
            where = ", ".join(n.name for n in notebooks) if len(notebooks) < 4 else "any notebook"
            raise unknown("parameter", name, known, f" in {where}")
    real = profile != "smoke" and any(notebook.parameter("data") for notebook in notebooks)
    root = settings.data_root(data) if data or real else None
    store = Path(results).expanduser().resolve() if results else settings.results_root()
    planned = []
    for notebook in notebooks:
        folder = store / notebook.name / profile
        given = {"profile": profile, "data": str(root) if data else "", "results": str(folder)}
        wanted = {**given, **overrides}
        own = {n: p.parse(wanted[n]) for n in wanted if (p := notebook.parameter(n))}
        again = ["fusionlib", "reproduce", notebook.name, "--profile", profile]
        again += ["--data", str(root)] if data else []
        for name in overrides:
            text = own[name] if isinstance(own.get(name), str) else json.dumps(own.get(name))
            again += ["--set", f"{name}={text}"] if name in own else []
        again += ["--results", str(store)] if results else []
        environment = _environment(root, threads)
        planned.append(_Job(notebook, own, folder, environment, shlex.join(again)))
    return planned


def _environment(data: Path | None, threads: int | None) -> dict[str, str]:
    """The child's environment: it works in another folder, so no path may be relative."""
    environment = dict(os.environ)
    environment.pop("JPY_SESSION_NAME", None)  # started from JupyterLab, it is no live notebook
    for name in environment:
        if name.startswith("FUSIONLIB_") and Path(environment[name]).exists():
            environment[name] = os.path.abspath(environment[name])
    if data:
        environment["FUSIONLIB_DATA"] = str(data)
    package = str(Path(__file__).parents[2])
    paths = [os.path.abspath(p) for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    environment["PYTHONPATH"] = os.pathsep.join([package, *paths])
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a warning about debugging, no use here
    if threads:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    return environment


def _run_all(planned: list[_Job], jobs: int) -> list[Outcome]:
    console = _Console(max(len(job.notebook.stem) for job in planned))
    children: list[subprocess.Popen] = []
    starting, stopping, last = threading.Lock(), threading.Event(), [-_STAGGER]

    def run(job: _Job) -> Outcome:
        began = time.monotonic()
        try:
            before = results_of.fingerprints(job.folder, job.notebook.results)
            with starting:
                if stopping.wait(max(0, last[0] + _STAGGER - time.monotonic())):
                    raise FusionError("Stopped before it began.")
                child, last[0] = _start(job), time.monotonic()
                children.append(child)
            began = time.monotonic()
            problems = _watch(job, child, console) or results_of.defects(
                job.folder,
                job.notebook.results,
                before,
                job.parameters,
                job.notebook.may_be_empty,
            )
        except OSError as error:  # a full disk, a folder that can't be written
            problems = [str(error)]
        end = f"FAILED  {problems[0]}" if problems else f"done  {job.folder}"
        console.say(job, began, end)
        seconds = time.monotonic() - began
        return Outcome(job.notebook.name, job.folder, seconds, tuple(problems), job.rerun)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            # Those that read the others' results wait for all of them.
            waves = [[j for j in planned if j.notebook.last == last] for last in (False, True)]
            done = {o.name: o for wave in waves for o in pool.map(run, wave)}
            return [done[job.notebook.name] for job in planned]
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            with starting:
                _stop(children)
            raise


def _start(job: _Job) -> subprocess.Popen:
    job.folder.mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen(
        [sys.executable, "-m", "fusionlib.runner.execute"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=job.environment,
        encoding="utf-8",
        errors="replace",
    )
    output = str(job.folder / "notebook.ipynb")
    task = {"notebook": str(job.notebook.path), "output": output, "parameters": job.parameters}
    child.stdin.write(json.dumps(task))
    child.stdin.close()
    return child


def _stop(children: list[subprocess.Popen]) -> None:
    for child in children:
        child.terminate()  # it shuts its kernel down
    for child in children:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()


class _Console:
    """One short line at a time, from several notebooks."""

    def __init__(self, width: int):
        self.width, self.lock = width, threading.Lock()

    def say(self, job: _Job, began: float, what: str) -> None:
        seconds = int(time.monotonic() - began)
        with self.lock:
            name = job.notebook.stem.ljust(self.width)
            print(f"{name}  {seconds // 60}:{seconds % 60:02d}  {what}", flush=True)


def _watch(job: _Job, child: subprocess.Popen, console: _Console) -> list[str]:
    """Follow the child until it ends: everything to the log, little to the terminal.

    Returns why it failed; nothing if it ended well.
    """
    began = said = time.monotonic()
    lines: queue.Queue = queue.Queue()

    def read():
        for line in child.stdout:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    cell, latest, failure = "starting", None, None
    console.say(job, began, cell)
    with open(job.folder / "run.log", "w", encoding="utf-8") as log:
        while True:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                line = ""
            if line is None:
                break
            if line.startswith(EVENT):
                kind, *fields = line.removeprefix(EVENT).split("\t")
                if kind == "cell":
                    cell, latest, said = "{}/{} {}".format(*fields), None, time.monotonic()
                    console.say(job, began, cell)
                    line = f"--- {cell}"
                else:
                    line = failure = f"cell {cell}: {fields[0]}"
            elif line and cell != "starting":  # before, only Jupyter's own remarks: for the log
                latest = line
            if line:
                print(line, file=log, flush=True)
            quiet = time.monotonic() - said
            if quiet > _HEARTBEAT or (latest and quiet >= 1):
                console.say(job, began, f"{cell}  | {latest}"[:140] if latest else cell)
                said, latest = time.monotonic(), None
    code = child.wait()
    if code in (KILLED, -9):
        return [f"cell {cell}: killed, probably out of memory"]
    return [failure or f"cell {cell}: the process ended with code {code}"] if code else []
