"""Fuse files: a pair or two folders in, image files out.

Each PNG file says in a text chunk what it was made from and how, so that a
second call goes on where the first one ended.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from fusionlib.errors import FusionError
from fusionlib.fusing_model import DEFAULT, choose_model
from fusionlib.fusing_pairs import find_jobs
from fusionlib.fusing_work import How, Work
from fusionlib.inference import PRECISIONS, Protocol
from fusionlib.tiling import LEAST_SIDE

if TYPE_CHECKING:
    from fusionlib.training import Run


@dataclass(frozen=True)
class Fused:
    """What `fuse_files` did; printed, it is one line.

    written: files that were written.
    skipped: files that were there, made by the same thing.
    failed: name of a pair -> a sentence that says why.
    notes: sentences that a user should read.
    seconds: of the whole work.
    model, protocol: their names.
    """

    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
    failed: dict[str, str]
    notes: tuple[str, ...]
    seconds: float
    model: str
    protocol: str

    def __str__(self) -> str:
        counts = [f"{len(self.written):,} fused"]
        counts += [f"{len(self.skipped):,} were there"] if self.skipped else []
        counts += [f"{len(self.failed):,} failed"] if self.failed else []
        return f"{', '.join(counts)}; {self.model}, {self.protocol}, {self.seconds:.1f} s"

    def __repr__(self) -> str:
        failures = [f"failed: {name}: {reason}" for name, reason in self.failed.items()]
        return "\n".join([str(self), *failures, *(f"note: {note}" for note in self.notes)])


def fuse_files(
    ir: str | Path,
    vi: str | Path,
    output: str | Path,
    model: "str | nn.Module | Run" = DEFAULT,
    weights: str | Path | None = None,
    protocol: str | Protocol = "plain",
    tile: int | None = None,
    colour: bool | None = None,
    precision: str = "float32",
    device: str | None = None,
    batch: int | None = None,
    overwrite: bool = False,
    bits: int | tuple[int, int] = 16,
    progress: bool = True,
) -> Fused:
    """Fuse two image files, or two folders of them, into 8-bit image files.

    A pair that can't be fused (no partner, another size, a damaged file) is
    noted, and the others go on. A PNG file that was made by the same network
    from the same bytes in the same way is skipped, so that a call that was
    broken off goes on where it was; whatever else has the name stays unless
    `overwrite`. A file is written whole or not at all.

    Args:
        ir, vi: infrared and visible; two files, or two folders whose files
            have the same names apart from the suffix. 8 or 16 bits, of any
            size, turned as the EXIF orientation says.
        output: folder; pairs of folders give NAME.png in it. For two files
            also the name of an image file; in another format than PNG it
            can't say what made it, and is never skipped.
        model: a name of the package's own trained weights, the key of a run
            (4 digits or more of it), a run, or a network.
        weights: file of weights, in the place of `model`.
        protocol: how the output becomes 8-bit levels, see `Protocol`.
        tile: side in pixels of the tiles that an image is fused in. None shows
            the network the whole image up to 2.1 million pixels, and tiles of
            512 of a larger one, which a note says.
        colour: put the visible image's chroma (Cb and Cr of full-range
            BT.601) around the fused grey; None does so where the visible file
            has colour. The network always sees grey, as `read_grey` gives it.
        precision: "float32" or "bfloat16", of the network alone.
        device: "cpu", "cuda", ...; None takes CUDA where there is one, and
            leaves a network that you pass where it is.
        batch: pairs of equal size, or tiles, that the network sees at once;
            None is one pair at a time on the CPU and 8 on CUDA.
        overwrite: replace files that were made otherwise.
        bits: of the values in 16-bit files, 8 to 16, or one number for the
            infrared and one for the visible files; sensors often give 14.
        progress: show a bar.

    Returns what was done. In memory are one pair, or batch, and the next.

    Raises FusionError, before any work, for bad arguments and what
    `choose_model` and `find_jobs` refuse, and `Stopped` for a full disk, whose
    `failed` are the pairs that had failed before.
    """
    started = time.monotonic()
    chosen = _protocol(protocol, tile)
    depths = _depths(bits)
    if precision not in PRECISIONS:
        raise FusionError(f"precision must be {' or '.join(PRECISIONS)}, not {precision!r}.")
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise FusionError(f"batch must be 1 or more pairs, not {batch!r}.")
    jobs, unpaired = find_jobs(ir, vi, output)
    network, name = choose_model(model, weights)
    _move(network, device, stay=network is model)
    for folder in {job.target.parent for job in jobs}:
        _make_folder(folder)
    how = How(chosen, precision, colour, depths, batch, overwrite)
    work = Work(network, name, how)
    work.failed.update(unpaired)
    work.run(jobs, progress)
    return Fused(
        tuple(work.written),
        tuple(work.skipped),
        dict(sorted(work.failed.items())),
        tuple(work.notes()),
        time.monotonic() - started,
        name,
        chosen.name,
    )


def _protocol(protocol: str | Protocol, tile: int | None) -> Protocol:
    chosen = Protocol.of(protocol)
    if tile is None:
        return chosen
    if not isinstance(tile, int) or tile < LEAST_SIDE:
        raise FusionError(f"tile must be {LEAST_SIDE} pixels or more, not {tile!r}.")
    if chosen.tiling != "whole":
        raise FusionError(
            f"tile={tile} does not go with the protocol {chosen.name}, which has tiles of its own:"
            " leave one of the two out."
        )
    return Protocol(str(tile), chosen.range)


def _depths(bits: int | tuple[int, int]) -> tuple[int, int]:
    depths = tuple(bits) if isinstance(bits, Sequence) else (bits, bits)
    if len(depths) != 2 or not all(isinstance(n, int) and 8 <= n <= 16 for n in depths):
        raise FusionError(
            f"bits must be 8 to 16, or two such numbers for infrared and visible, not {bits!r}."
        )
    return depths


def _move(network: nn.Module, device: str | None, stay: bool) -> None:
    if device is None:
        if stay:
            return
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(device).type == "meta":
            raise RuntimeError("it holds no values")
        network.to(device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = str(error).splitlines()[0]
        raise FusionError(f"The device {device!r} cannot be used ({reason}): take cpu.") from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(None, "no right to write there")
    except OSError as error:
        raise FusionError(
            f"{folder} cannot take the fused images ({error.strerror}): name another folder."
        ) from None
