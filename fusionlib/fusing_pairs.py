"""Which files become which fused file, settled before any work."""

from dataclasses import dataclass
from pathlib import Path

from fusionlib import images
from fusionlib.data.pairs import FilePair
from fusionlib.errors import FusionError


@dataclass(frozen=True)
class Job:
    """A pair, and where its fused image goes."""

    pair: FilePair
    target: Path


def find_jobs(
    ir: str | Path, vi: str | Path, output: str | Path
) -> tuple[list[Job], dict[str, str]]:
    """Pair two files, or the image files of two folders, and name their fused images.

    Files of folders are paired by their names without suffix, and the fused
    image of a pair is named like its infrared file, with the suffix .png.

    Args:
        ir, vi: two files or two folders.
        output: a folder, made later if it is not there; for two files also
            the name of an image file.

    Returns the jobs in name order, and of each image that has no partner, or
    several, its name and a sentence that says so.

    Raises FusionError for a path that is not there, a file and a folder, the
    same one twice, folders without any pair, an output that can't be one, lies
    in a folder of sources, or would replace a source.
    """
    for path, what in ((ir, "infrared"), (vi, "visible"), (output, "fused")):
        if not str(path):
            raise FusionError(f"The {what} images have no name: give a file or a folder.")
    output_is_folder = str(output).endswith("/")
    ir, vi, output = (Path(path).expanduser() for path in (ir, vi, output))
    for path in (ir, vi):
        if not path.exists():
            raise FusionError(f"There is no file or folder {path}: check its name.")
    if ir.is_dir() != vi.is_dir():
        folder, file = (ir, vi) if ir.is_dir() else (vi, ir)
        raise FusionError(
            f"{folder} is a folder but {file} is a file: name two image files or two folders."
        )
    if ir.samefile(vi):
        raise FusionError(f"{ir} is named as infrared and as visible: name one of each.")
    if not ir.is_dir():
        target = output
        if output_is_folder or output.is_dir() or not output.suffix:
            _check_folder(output)
            target = output / f"{ir.stem}.png"
        images.kind_of(target)
        jobs, failed = [Job(FilePair(ir.stem, ir, vi), target)], {}
    else:
        _check_folder(output)
        for folder in (ir, vi):
            _check_outside(output, folder)
        pairs, failed = _paired(ir, vi)
        jobs = [Job(pair, output / f"{pair.name}.png") for pair in pairs]
    _check_no_source(jobs)
    return jobs, failed


def _paired(ir_folder: Path, vi_folder: Path) -> tuple[list[FilePair], dict[str, str]]:
    ir, vi = _by_name(ir_folder), _by_name(vi_folder)
    pairs, failed = [], {}
    for name in sorted(ir.keys() | vi.keys()):
        found = [files.get(name, []) for files in (ir, vi)]
        several = next((files for files in found if len(files) > 1), None)
        if several:
            one, *others = (file.name for file in several)
            failed[name] = (
                f"{several[0].parent} holds {one} and {' and '.join(others)}: remove all but one."
            )
        elif all(found):
            pairs.append(FilePair(name, *(files[0] for files in found)))
        else:
            [file], folder = (found[0], vi_folder) if found[0] else (found[1], ir_folder)
            failed[name] = (
                f"{file} has no partner in {folder}: add {name}.* there or remove the file."
            )
    if not pairs:
        raise FusionError(
            f"No image of {ir_folder} has a partner of its name in {vi_folder}: give both images "
            "of a pair one name."
        )
    return pairs, failed


def _by_name(folder: Path) -> dict[str, list[Path]]:
    files = images.files_by_name(folder)
    if not files:
        raise FusionError(f"There is no image in {folder}: name a folder that holds some.")
    return files


def _check_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise FusionError(f"The output {output} is a file: name a folder.")
    if not output.exists() and output.suffix.lower() in images.IMAGE_SUFFIXES:
        raise FusionError(
            f"The output {output} has the name of an image, but folders are fused into a folder: "
            "name one."
        )


def _check_outside(output: Path, folder: Path) -> None:
    # By what the paths lead to: links, and file systems that don't tell A from a.
    real = output.resolve()
    if any(path.exists() and path.samefile(folder) for path in (real, *real.parents)):
        raise FusionError(
            f"The output {output} lies in the folder of sources {folder}: name one outside it."
        )


def _check_no_source(jobs: list[Job]) -> None:
    # Without suffix: beside a.jpg, a fused a.png would make two sources of one name.
    sources = {
        path.resolve().with_suffix("")
        for job in jobs
        for path in (job.pair.ir_path, job.pair.vi_path)
    }
    for job in jobs:
        if job.target.resolve().with_suffix("") in sources:
            raise FusionError(
                f"The output {job.target} would take the name of an image that is fused: name "
                "another one."
            )
