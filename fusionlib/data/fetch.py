"""Get a dataset: by git at a pinned revision, or by telling where it is."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tqdm.auto import tqdm

from fusionlib.data.datasets import DATASETS, Dataset, match_split, splits_of
from fusionlib.errors import FusionError
from fusionlib.settings import data_root

# git's progress on its error stream, such as "Receiving objects:  45% (450/1000), ..."
_PROGRESS = re.compile(r"(?:remote: )?([A-Z][a-z ]+):\s+\d+% \((\d+)/(\d+)\)")


def get(
    name: str,
    data: str | Path | None = None,
    url: str | None = None,
    revision: str | None = None,
) -> str:
    """Get a dataset into the data folder, complete or not at all.

    A dataset that is published as a git repository is fetched into a hidden
    folder beside its place, checked against the revision and the layout, and
    then renamed. After a break, a second call goes on from what git had
    received completely, and starts clean otherwise.

    Args:
        name: name of the dataset.
        data: folder that holds the datasets, made where missing; default
            FUSIONLIB_DATA.
        url: another git repository with the same contents (a mirror).
        revision: another revision, as a full commit hash.

    Returns:
        What was done, or where to get the dataset and where to put it.

    Raises:
        FusionError: git is missing or fails, the revision does not exist, or
            what was fetched does not have the published layout.
    """
    splits_of(name)
    if name == "scenes":
        return "scenes are rendered when they are used: there is nothing to get."
    dataset = DATASETS[name]
    url, revision = url or dataset.git, revision or dataset.revision
    notes = f"Licence: {dataset.licence}. Cite: {dataset.citation}."
    if url is None:
        return f"{_instructions(dataset, data)}\n{notes}"
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise FusionError(f"The revision {revision!r} is no full commit hash of 40 hex digits.")
    if data is not None:
        Path(data).expanduser().mkdir(parents=True, exist_ok=True)
    target = data_root(data) / name
    if target.exists():
        return f"{_complete(dataset, target)} are already in {target}: nothing to do.\n{notes}"
    if shutil.which("git") is None:
        raise FusionError("The program git is not on PATH: install it to get datasets.")

    part = target.with_name(f".{name}.part")
    with tqdm(desc=name, unit="object") as bar:
        _fetch(part, url, revision, bar)
        _checkout(part, revision, bar)
    try:
        found = _complete(dataset, part)
    except FusionError:
        shutil.rmtree(part)
        raise
    shutil.rmtree(part / ".git")  # a second copy of every image
    os.replace(part, target)
    return f"{found} are now in {target}.\n{notes}"


def _instructions(dataset: Dataset, data: str | Path | None) -> str:
    try:
        target = data_root(data) / dataset.name
    except FusionError:  # still worth telling
        target = Path("FUSIONLIB_DATA") / dataset.name
    lines = [
        f"{dataset.name} cannot be fetched automatically: get it from {dataset.source},",
        "then make these folders, with the same file names in both of a split:",
    ]
    for split, folders in dataset.splits.items():
        lines += [f"  {target / folders.ir}  infrared, {split}"]
        lines += [f"  {target / folders.vi}  visible, {split}"]
        if folders.labels:
            lines += [f"  {target / folders.labels}  class labels, {split} (optional)"]
    return "\n".join(lines)


def _complete(dataset: Dataset, folder: Path) -> str:
    """Count the pairs; FusionError unless every split is there and paired."""
    counts = []
    for split in dataset.splits:
        try:
            pairs, problems = match_split(dataset, split, folder)
        except FusionError:
            pairs, problems = [], [f"the split {split} is missing"]
        if problems:
            raise FusionError(
                f"{folder} does not hold {dataset.name} as published ({problems[0].rstrip('.')}): "
                "move it away if it exists, then get the published revision."
            )
        counts.append(f"{len(pairs)} {split}")
    return f"The pairs of {dataset.name} ({', '.join(counts)})"


def _fetch(part: Path, url: str, revision: str, bar: tqdm) -> None:
    """Bring the revision into the repository `part`, unless it is there already."""
    if part.exists():
        # The commit is there only if all its files are: see unpackLimit in _git.
        if not _git(part, "cat-file", "-e", f"{revision}^{{commit}}"):
            return
        shutil.rmtree(part)
    part.mkdir(parents=True)
    errors = _git(part, "init", "--quiet")
    if not errors:
        fetch = ("fetch", "--progress", "--no-tags", "--depth=1", "--", url)
        errors = _git(part, *fetch, revision, bar=bar)
        if "unadvertised object" in errors:  # this server gives whole histories only
            fetch = ("fetch", "--progress", "--", url, "+refs/*:refs/origin/*")
            errors = _git(part, *fetch, bar=bar)
    if not errors:
        errors = _git(part, "cat-file", "-e", f"{revision}^{{commit}}")
    if not errors:
        return
    if "not our ref" in errors or "valid object name" in errors:
        shutil.rmtree(part)
        raise FusionError(f"{url} has no revision {revision}: pass one that it has.")
    raise FusionError(
        f"git cannot fetch {url} ({errors}): check the address, the connection and the free "
        "space, then run the command again."
    )


def _checkout(part: Path, revision: str, bar: tqdm) -> None:
    (part / ".git" / "index.lock").unlink(missing_ok=True)  # left by a killed git
    errors = _git(part, "checkout", "--progress", "--force", "--detach", revision, bar=bar)
    if errors or (part / ".git" / "HEAD").read_text().strip() != revision:
        raise FusionError(
            f"git cannot check out {revision} ({errors or 'HEAD is another one'}): free some "
            f"space, or delete {part} to start clean, then run the command again."
        )


def _git(folder: Path, *arguments: str, bar: tqdm | None = None) -> str:
    """Run git on the repository `folder`; return its errors, "" if it succeeds."""
    # A pack of its own for each fetch: its objects appear at once, when all are there.
    command = ["git", "-c", "fetch.unpackLimit=1", "-c", "core.autocrlf=false", *arguments]
    # No other repository around, no questions (passwords), no translations.
    environment = {key: value for key, value in os.environ.items() if key != "GIT_INDEX_FILE"}
    environment |= {"GIT_DIR": str(folder / ".git"), "GIT_WORK_TREE": str(folder)}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "text": True}
    streams |= {"stderr": subprocess.PIPE, "errors": "replace"}
    phase, errors = "", []
    with subprocess.Popen(command, cwd=folder, env=environment, **streams) as process:
        try:
            for line in process.stderr:  # text mode ends a line at git's \r, too
                if "fatal: " in line or "error: " in line:
                    errors.append(line.strip())
                elif bar is not None and (step := _PROGRESS.match(line)):
                    if step[1] != phase:
                        phase = step[1]
                        bar.reset(int(step[3]))
                        bar.set_description(phase)
                    bar.update(int(step[2]) - bar.n)
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return ""
    return "; ".join(errors) or f"exit code {process.returncode}"
