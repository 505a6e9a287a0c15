"""The work of fusing files: read ahead, fuse, write behind, skip what is there."""

import errno
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fusionlib import images
from fusionlib.errors import FusionError, listed
from fusionlib.fusing_model import fingerprint
from fusionlib.fusing_pairs import Job
from fusionlib.inference import Protocol, fuse
from fusionlib.memory import keep_freed_memory
from fusionlib.progress import progress as progress_bar
from fusionlib.rows import ahead

# Larger images are fused in tiles, which bounds the memory; Full HD (2.07 million) is still whole.
WHOLE_PIXELS = 2_100_000
LARGE_TILE = 512  # side of these tiles
CUDA_BATCH = 8
NOTE_VERSION = 2  # raise it when a network, a protocol or the colour changes its values
# Where one file can't be written for these, no later one will fare better.
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class Stopped(FusionError):
    """The work ended early because no file can be written; what was fused stays.

    failed: name of a pair -> why, of those that had failed before.
    """

    def __init__(self, sentence: str, failed: dict[str, str]):
        super().__init__(sentence)
        self.failed = failed


@dataclass(frozen=True)
class How:
    """The arguments of `fusing.fuse_files` that hold for every pair."""

    protocol: Protocol
    precision: str
    colour: bool | None
    depths: tuple[int, int]  # bits of 16-bit files, infrared and visible
    batch: int | None
    overwrite: bool


@dataclass(frozen=True)
class Task:
    """A job whose headers were read: what it takes to fuse it."""

    job: Job
    size: tuple[int, int]  # height, width
    protocol: Protocol
    colour: bool
    note: str


@dataclass(frozen=True)
class Loaded:
    """A task with its images, (1, H, W) in [0, 1]."""

    task: Task
    ir: Tensor
    vi: Tensor
    levels: np.ndarray | None  # of the visible image, where the fused one gets its chroma


class Work:
    """The way from jobs to files, and what came of it.

    written, skipped: files. failed: name of a pair -> why.
    """

    def __init__(self, network: nn.Module, name: str, how: How):
        self.network, self.name, self.how = network, name, how
        self.fingerprint = fingerprint(network)
        weights = next(network.parameters(), None)
        on_gpu = weights is not None and weights.device.type == "cuda"
        self.together = how.batch or (CUDA_BATCH if on_gpu else 1)
        self.written: list[Path] = []
        self.skipped: list[Path] = []
        self.failed: dict[str, str] = {}
        self._tiled: list[str] = []  # large images
        # Of infrared and visible: 16-bit files that use little of their range -> highest value.
        self._dark: tuple[dict[Path, int], dict[Path, int]] = {}, {}
        self._writing: tuple[Job, Future] | None = None

    def run(self, jobs: list[Job], progress: bool) -> None:
        """Fuse what is not there yet.

        Raises `Stopped` where nothing can be written any more, such as on a
        full disk.
        """
        keep_freed_memory()
        with (
            progress_bar(total=len(jobs), description="fuse", quiet=not progress) as self._bar,
            # The last image is written, and the next ones are read, while the network works.
            ThreadPoolExecutor(1) as self._writer,
        ):
            for group in ahead(self._load_all, self._groups(jobs)):
                loaded = []
                for task, found in group:
                    if isinstance(found, FusionError):
                        self._fail(task.job, found)
                    else:
                        loaded.append(found)
                del group, found  # the writer alone holds what is fused
                if loaded:
                    self._fuse(loaded)
            self._wait()

    def _groups(self, jobs: list[Job]) -> Iterator[list[Task]]:
        """Tasks of one size, and so of one protocol, that follow each other."""
        group: list[Task] = []
        for job in jobs:
            try:
                task = self._plan(job)
            except FusionError as error:
                self._fail(job, error)
                continue
            if task is None:
                self.skipped.append(job.target)
                self._bar.update()
                continue
            if group and task.size != group[0].size:
                yield group
                group = []
            group.append(task)
            if len(group) == self.together:
                yield group
                group = []
        if group:
            yield group

    def _plan(self, job: Job) -> Task | None:
        """The task of a job; None where its file is there."""
        pair, chosen = job.pair, self.how.protocol
        images.check_same_size(pair.ir_path, pair.vi_path)
        channels, height, width = images.shape_of(pair.vi_path)
        colour = channels == 3 if self.how.colour is None else self.how.colour
        large = chosen.tiling == "whole" and height * width > WHOLE_PIXELS
        if large:
            chosen = Protocol(str(LARGE_TILE), chosen.range)
        made = {
            "version": NOTE_VERSION,
            "weights": self.fingerprint,
            "protocol": chosen.name,
            "precision": self.how.precision,
            "colour": colour,
            "bits": list(self.how.depths),
            "sources": pair.digest.split(),
        }
        if job.target.exists() or job.target.is_symlink():
            if made_by(job.target) == made:
                return None
            if not self.how.overwrite:
                png = images.kind_of(job.target) == "PNG"
                why = "was made otherwise" if png else "only PNG files can say what made them"
                raise FusionError(
                    f"{job.target} is there already and {why}: name another output, or replace it "
                    "by --overwrite (overwrite=True)."
                )
        if large:
            self._tiled.append(f"{pair.name} ({width}x{height})")
        note = json.dumps({"model": self.name, **made})
        return Task(job, (height, width), chosen, colour, note)

    def _load_all(self, tasks: list[Task]) -> list[tuple[Task, "Loaded | FusionError"]]:
        return [(task, self._load(task)) for task in tasks]

    def _load(self, task: Task) -> "Loaded | FusionError":
        pair = task.job.pair
        try:
            ir, vi = (self._read(path, k) for k, path in enumerate((pair.ir_path, pair.vi_path)))
        except FusionError as error:
            return error
        sources = [
            images.to_unit(images.grey_levels(levels), bits)
            for levels, bits in zip((ir, vi), self.how.depths, strict=True)
        ]
        return Loaded(task, *sources, vi if task.colour else None)

    def _read(self, path: Path, modality: int) -> np.ndarray:
        levels, bits = images.read_levels(path), self.how.depths[modality]
        if levels.dtype == np.uint16:
            highest = int(levels.max())
            if highest >> bits:
                raise FusionError(
                    f"{path} holds values up to {highest:,}, more than {bits} bits can: give a "
                    "larger --bits (bits=)."
                )
            if bits == 16 and 0 < highest < 1 << 14:
                self._dark[modality][path] = highest
        return levels

    def _fuse(self, group: list[Loaded]) -> None:
        first = group[0]
        ir, vi = first.ir[None], first.vi[None]
        if len(group) > 1:
            ir = torch.stack([one.ir for one in group])
            vi = torch.stack([one.vi for one in group])
        try:
            fused = self._fused(ir, vi, first.task.protocol)
        except FusionError as error:
            if len(group) == 1:
                self._fail(first.task.job, error)
            else:  # one of them spoils it
                for one in group:
                    self._fuse([one])
            return
        for one, image in zip(group, fused, strict=True):
            self._wait()
            writing = self._writer.submit(self._write, one.task, image, one.levels)
            self._writing = (one.task.job, writing)

    def _fused(self, ir: Tensor, vi: Tensor, protocol: Protocol) -> Tensor:
        # On the CPU `fuse` knows best how many tiles to take at once.
        named = self.how.batch or (self.together if self.together > 1 else None)
        options = {} if named is None else {"batch": named}
        try:
            fused = fuse(self.network, ir, vi, protocol, self.how.precision, **options).cpu()
        except RuntimeError as error:  # CUDA has a kind of its own for this, the CPU has none
            if "memory" not in str(error):
                raise
            raise FusionError(
                "The network runs out of memory on images of this size: give a smaller --tile "
                "(tile=) or --batch (batch=)."
            ) from None
        if fused.shape != ir.shape:
            raise FusionError(
                f"The network makes {tuple(fused.shape)} of sources {tuple(ir.shape)}: take one "
                "that keeps the size and gives grey images."
            )
        return fused

    def _write(self, task: Task, fused: Tensor, levels: np.ndarray | None) -> None:
        if levels is not None:
            fused = images.recolour(fused, levels, self.how.depths[1])
        target = task.job.target
        is_png = images.kind_of(target) == "PNG"
        images.write(target, fused, task.note if is_png else None)

    def _wait(self) -> None:
        """See how the last image was written."""
        if self._writing is None:
            return
        (job, writing), self._writing = self._writing, None
        try:
            writing.result()
        except FusionError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _HOPELESS:
                raise Stopped(
                    f"{str(error).rstrip('.')}; {len(self.written):,} fused images were written "
                    "before, and the same command goes on from there.",
                    self.failed,
                ) from error
            self._fail(job, error)
            return
        self.written.append(job.target)
        self._bar.update()

    def _fail(self, job: Job, error: FusionError) -> None:
        self.failed[job.pair.name] = str(error)
        self._bar.update()

    def notes(self) -> Iterator[str]:
        if self._tiled:
            yield (
                f"larger than {WHOLE_PIXELS:,} pixels, so that tiles of {LARGE_TILE} were fused: "
                f"{listed(self._tiled)}; --tile (tile=) sets another side."
            )
        if any(self._dark):
            bits = [max(8, max(d.values()).bit_length()) if d else 16 for d in self._dark]
            files = listed([str(path) for dark in self._dark for path in dark])
            yield (
                f"16-bit files that end below a quarter of their range: {files}; if sensors gave "
                f"fewer bits, --bits {bits[0]},{bits[1]} (bits=({bits[0]}, {bits[1]})), infrared "
                "and visible, with --overwrite gives them their full range."
            )


def made_by(file: Path) -> dict | None:
    """What the note of a fused file says of its making."""
    try:
        made = json.loads(images.note_of(file) or "null")
    except ValueError:
        return None
    return {key: made[key] for key in made if key != "model"} if isinstance(made, dict) else None
