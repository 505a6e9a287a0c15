"""Whether this machine has what fusionlib needs: `fusionlib doctor`.

Each check imports what it looks at when its turn comes, and beside that only
the standard library, so that whatever is broken becomes a line of its own.
"""

import importlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fusionlib.errors import FusionError

OK, NOTE, FAIL = "ok", "note", "FAIL"
CHECKOUT = Path(__file__).parents[1]
OLDEST_PYTHON = (3, 11)
LITTLE = 2.0  # GiB of memory or disk below which long work is likely to break off
_MODULES = {"pillow": "PIL", "scikit-image": "skimage"}  # of packages named otherwise
_COLOURS = {OK: "\033[32m", NOTE: "\033[33m", FAIL: "\033[1;31m"}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    mark: OK, NOTE (worth knowing, nothing is broken) or FAIL.
    what: what was found, after the name of what was looked at.
    remedy: of a FAIL, one sentence.
    """

    mark: str
    what: str
    remedy: str = ""

    def shown(self, colour: bool = False) -> str:
        """The line as text; the remedy stands below it."""
        mark = self.mark.ljust(4)
        mark = f"{_COLOURS[self.mark]}{mark}\033[0m" if colour else mark
        return f"{mark}  {self.what}" + (f"\n      {self.remedy}" if self.remedy else "")


def doctor(data: str | Path | None = None) -> bool:
    """Print a line for each thing looked at; True where nothing is broken.

    data: folder of the datasets; else FUSIONLIB_DATA.
    """
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    failed = 0
    for finding in examine(data):
        print(finding.shown(colour), flush=True)
        failed += finding.mark == FAIL
    print("\nNothing is broken." if not failed else f"\nTo be mended: {failed}.")
    return not failed


def examine(data: str | Path | None = None) -> Iterator[Finding]:
    """What each check finds, as soon as it is found."""
    checks = {
        "Python": _python,
        "packages": _packages,
        "torch": _torch,
        "memory": _memory,
        "store": _store,
        "data": lambda: _data(data),
        "weights": _weights,
        "Chromium": _chromium,
        "fusionlib": _fusionlib,
    }
    broken = False
    for name, check in checks.items():
        try:
            for finding in check():
                broken |= finding.mark == FAIL
                yield finding
        except Exception as error:  # a broken package raises what it likes
            if broken:  # most likely for a reason that is told above
                yield Finding(NOTE, f"{name}: can be looked at when the above is mended")
            else:
                broken = True
                remedy = "Mend what the error names, or report it with this output."
                if isinstance(error, ImportError):
                    remedy = "Install fusionlib anew: pip install -c constraints.txt -e ."
                yield Finding(FAIL, f"{name}: {_in_short(error)}", remedy)


def chromium() -> str | None:
    """Path of the browser, named in CHROMIUM or as usual; None without one."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def _python() -> Iterator[Finding]:
    found = f"Python: {sys.version.split()[0]}, {sys.executable}"
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding(OK, found)
    else:
        needed = ".".join(map(str, OLDEST_PYTHON))
        yield Finding(FAIL, found, f"Make an environment with Python {needed} or newer.")


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in _required()]
    pins = CHECKOUT / "constraints.txt"
    sound = True
    for requirement in needed:
        if wrong := _wrong(requirement):
            sound = False
            pinned = f"-c {pins} " if pins.is_file() else ""
            remedy = f"Install it anew: pip install --force-reinstall {pinned}'{requirement}'"
            yield Finding(FAIL, f"packages: {requirement.name} {wrong}", remedy)
    if sound:
        yield Finding(OK, f"packages: all {len(needed)} installed, in range, importable")


def _required() -> list[str]:
    """The requirements, of the checkout or else of what is installed."""
    import tomllib

    file = CHECKOUT / "pyproject.toml"
    if file.is_file():
        return tomllib.loads(file.read_text("utf-8"))["project"]["dependencies"]
    return [text for text in metadata.requires("fusionlib") or () if "extra ==" not in text]


def _wrong(requirement) -> str:
    """What is wrong with a package, "" for nothing."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{version} is not in the range {requirement.specifier}"
    module = _MODULES.get(requirement.name, requirement.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except Exception as error:
        return f"{version} can't be imported: {_in_short(error)}"
    return ""


def _torch() -> Iterator[Finding]:
    import torch

    from fusionlib.precision import knows_bfloat16

    found = f"torch: {torch.__version__}, {torch.get_num_threads()} threads"
    if not knows_bfloat16("cpu"):
        found += ", trains in float32 as this processor is slower in bfloat16"
    yield Finding(OK, found)
    with warnings.catch_warnings(record=True) as said:  # such as: the driver is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index in range(count):
        gpu = torch.cuda.get_device_properties(index)
        yield Finding(OK, f"GPU {index}: {gpu.name}, {_gib(gpu.total_memory)} GiB")
    if not count:
        why = "none; everything runs on the CPU"
        if said:
            why += f" ({_in_short(said[0].message)})"
        elif torch.version.cuda is None and shutil.which("nvidia-smi"):
            why += f" (there is an NVIDIA driver, but {torch.__version__} is built without CUDA)"
        yield Finding(NOTE, f"GPU: {why}")


def _memory() -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    yield _room("memory: ", memory.available, f" of {_gib(memory.total)}")


def _store() -> Iterator[Finding]:
    from fusionlib.settings import store_root

    store = store_root()
    try:
        # The store itself is only made by the first run.
        there = next(place for place in (store, *store.absolute().parents) if place.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"fusionlib" * 1000)
        free = shutil.disk_usage(there).free
    except OSError as error:
        remedy = "Set FUSIONLIB_STORE to a folder on a disk with space, in which you may write."
        yield Finding(FAIL, f"store: {store} can't be written, {_in_short(error)}", remedy)
        return
    yield _room(f"store: {store} can be written, ", free)


def _data(data: str | Path | None) -> Iterator[Finding]:
    from fusionlib.data.check import check
    from fusionlib.data.datasets import DATASETS
    from fusionlib.settings import data_root

    if not (data or os.environ.get("FUSIONLIB_DATA")):
        said = "no folder is named (FUSIONLIB_DATA, --data); the rendered scenes need none"
        yield Finding(NOTE, f"data: {said}")
        return
    remedy = (
        f"Name the folder that holds {', '.join(DATASETS)} or some of them, as folders; "
        "`fusionlib data get NAME` tells how to get one."
    )
    try:
        root = data_root(data)
    except FusionError as error:
        yield Finding(FAIL, f"data: {error}", remedy)
        return
    absent = []
    for name in DATASETS:
        try:
            report = check(name, data=root, progress=False, decode=False)
        except FusionError:
            absent.append(name)
            continue
        yield from map(_split, [name] * len(report.splits), report.splits)
    if len(absent) == len(DATASETS):
        yield Finding(FAIL, f"data: none of the datasets is in {root}", remedy)
    elif absent:
        yield Finding(NOTE, f"data: not in {root}: {', '.join(absent)}")


def _split(dataset: str, report) -> Finding:
    """The line of one split: how many pairs, which ones, and whether all have partners."""
    found = f"data: {dataset} {report.split}, {report.pairs:,} pairs"
    found += f", names and sizes {report.fingerprint}"
    if not report.problems:
        return Finding(OK, found)
    count = len(report.problems)
    remedy = f"`fusionlib data check {dataset}` names all; the first: {report.problems[0]}"
    return Finding(FAIL, f"{found}, {count:,} problem{'s' * (count > 1)}", remedy)


def _weights() -> Iterator[Finding]:
    from fusionlib.models.released import RELEASED
    from fusionlib.settings import weights_root

    if not os.environ.get("FUSIONLIB_WEIGHTS"):
        said = "FUSIONLIB_WEIGHTS is not set; the authors' own are fetched when they are needed"
        yield Finding(NOTE, f"weights: {said}")
        return
    try:
        folder = weights_root()
    except FusionError as error:
        remedy = "Name the folder that holds the authors' weights, or unset FUSIONLIB_WEIGHTS."
        yield Finding(FAIL, f"weights: {error}", remedy)
        return
    states = {}
    for name, release in RELEASED.items():
        file = release.find(folder)
        sound = file is not None and release.is_sound(file)
        states[name] = "as released" if sound else "not there" if file is None else "another file"
    told = ", ".join(f"{name} {state}" for name, state in states.items())
    mark = OK if set(states.values()) == {"as released"} else NOTE
    yield Finding(mark, f"weights: in {folder} {told}")


def _chromium() -> Iterator[Finding]:
    path = chromium()
    absent = "none; only the browser tests need it"
    yield Finding(OK if path else NOTE, f"Chromium: {path or absent}")


def _fusionlib() -> Iterator[Finding]:
    from fusionlib import __version__
    from fusionlib.git import own_commit

    commit = own_commit()
    told = f"commit {commit}" if commit else "not under git, so records name no commit"
    yield Finding(OK if commit else NOTE, f"fusionlib: {__version__} in {CHECKOUT}, {told}")


def _room(before: str, free: int, after: str = "") -> Finding:
    little = free < LITTLE * 2**30
    warning = f"; below {LITTLE:g} GiB a training may break off" if little else ""
    return Finding(NOTE if little else OK, f"{before}{_gib(free)}{after} GiB free{warning}")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _in_short(error: Exception | Warning) -> str:
    """The kind and first line of an error, whose text may be long."""
    text = str(error).strip().partition("\n")[0]
    text = text if len(text) <= 160 else f"{text[:160]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
