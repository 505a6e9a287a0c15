"""Bring the files of one commit with git, complete or not at all.

A commit's hash covers every byte of its files, so what arrives at a pinned
revision is what was pinned. Also: the commit of the package itself.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tqdm.auto import tqdm

from fusionlib.errors import FusionError

# git's progress on its error stream, such as "Receiving objects:  45% (450/1000), ..."
_PROGRESS = re.compile(r"(?:remote: )?([A-Z][a-z ]+):\s+\d+% \((\d+)/(\d+)\)")


def get_revision(folder: Path, url: str, revision: str, title: str) -> None:
    """Bring the files of one commit into `folder`, which becomes a repository.

    After a break, a second call goes on from what git had received
    completely, and starts clean otherwise: also where `folder` holds
    something else.

    Args:
        folder: a place of its own; it is made.
        url: of the git repository.
        revision: full commit hash.
        title: stands before the progress bar.

    Raises:
        FusionError: the revision is no full hash or does not exist, git is
            missing or fails.
    """
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise FusionError(f"The revision {revision!r} is no full commit hash of 40 hex digits.")
    if shutil.which("git") is None:
        raise FusionError("The program git is not on PATH: install it, then try again.")
    with tqdm(desc=title, unit="object") as bar:
        _fetch(folder, url, revision, bar)
        _checkout(folder, revision, bar)


def own_commit() -> str | None:
    """The commit of this checkout, "-dirty" after it where files were changed.

    None where the package was installed without its repository, also inside
    another one, or where there is no git.
    """
    checkout = Path(__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=checkout,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def _fetch(folder: Path, url: str, revision: str, bar: tqdm) -> None:
    """Bring the revision into the repository `folder`, unless it is there already."""
    if folder.exists():
        # The commit is there only if all its files are: see unpackLimit in _git.
        if not _git(folder, "cat-file", "-e", f"{revision}^{{commit}}"):
            return
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    errors = _git(folder, "init", "--quiet")
    if not errors:
        fetch = ("fetch", "--progress", "--no-tags", "--depth=1", "--", url)
        errors = _git(folder, *fetch, revision, bar=bar)
        if "unadvertised object" in errors:  # this server gives whole histories only
            fetch = ("fetch", "--progress", "--", url, "+refs/*:refs/origin/*")
            errors = _git(folder, *fetch, bar=bar)
    if not errors:
        errors = _git(folder, "cat-file", "-e", f"{revision}^{{commit}}")
    if not errors:
        return
    if "not our ref" in errors or "valid object name" in errors:
        shutil.rmtree(folder)
        raise FusionError(f"{url} has no revision {revision}: pass one that it has.")
    raise FusionError(
        f"git cannot fetch {url} ({errors}): check the address, the connection and the free "
        "space, then run the command again."
    )


def _checkout(folder: Path, revision: str, bar: tqdm) -> None:
    (folder / ".git" / "index.lock").unlink(missing_ok=True)  # left by a killed git
    errors = _git(folder, "checkout", "--progress", "--force", "--detach", revision, bar=bar)
    if errors or (folder / ".git" / "HEAD").read_text().strip() != revision:
        raise FusionError(
            f"git cannot check out {revision} ({errors or 'HEAD is another one'}): free some "
            f"space, or delete {folder} to start clean, then run the command again."
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
