"""Get a dataset: by git at a pinned revision, or by telling where it is."""

import os
import shutil
from pathlib import Path

from fusionlib.data.datasets import DATASETS, Dataset, match_split, splits_of
from fusionlib.errors import FusionError
from fusionlib.git import get_revision
from fusionlib.settings import data_root


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
    if data is not None:
        Path(data).expanduser().mkdir(parents=True, exist_ok=True)
    target = data_root(data) / name
    if target.exists():
        return f"{_complete(dataset, target)} are already in {target}: nothing to do.\n{notes}"
    part = target.with_name(f".{name}.part")
    get_revision(part, url, revision, name)
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
