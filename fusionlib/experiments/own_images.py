"""Your own images: the training behind the walkthrough of that name.

Infrared and visible images that are no pairs are enough to learn fusion from:
unpaired training (UPTP) of Beyond Strict Pairing, with a small patch and a high
learning rate, so that minutes on a CPU do.
"""

from dataclasses import dataclass
from pathlib import Path

from fusionlib import images
from fusionlib.data import PairSet, open_pairs
from fusionlib.data.base import patch_count, patch_source
from fusionlib.data.pairs import FilePair
from fusionlib.errors import FusionError
from fusionlib.experiments.profiles import profile
from fusionlib.pairing import relation_size
from fusionlib.training import Spec

BATCH, EPOCH = 8, 1200  # pairs of a step, and at most of an epoch
COUNT = 10  # rendered images of each modality


@dataclass(frozen=True)
class OwnSizes:
    """Sizes of one profile.

    Args:
        patch: side of a patch, in pixels.
        steps: of the training.
        lr: Adam's learning rate.
        rendered: (height, width) of the examples, taken in turn.
        pair: (height, width) of the rendered pair that is fused.
    """

    patch: int
    steps: int
    lr: float
    rendered: tuple[tuple[int, int], ...]
    pair: tuple[int, int]


_CAMERAS = ((480, 640), (512, 640), (360, 480), (576, 768), (400, 600))
OWN_SIZES = {
    "smoke": OwnSizes(32, 40, 5e-4, ((96, 128), (80, 112), (128, 96), (72, 120)), (128, 192)),
    "quick": OwnSizes(64, 1000, 5e-4, _CAMERAS, (480, 640)),
    "paper": OwnSizes(128, 187_500, 1e-4, _CAMERAS, (480, 640)),
}


def own_sizes(name: str) -> OwnSizes:
    """The sizes of a profile by name; FusionError for another name."""
    return OWN_SIZES[profile(name).name]


def folders(name: str, infrared: str, visible: str, work: Path) -> tuple[Path, Path]:
    """The reader's two folders, or examples in their place.

    Args:
        name: the profile.
        infrared, visible: the reader's; "" for both renders ten images of each,
            no infrared and visible image of one scene.
        work: the folder to make them in.

    Raises FusionError where one folder is named and the other is not, or one
    is named twice.
    """
    if not infrared and not visible:
        return _render(name, "ir", work / "infrared"), _render(name, "vi", work / "visible")
    if not infrared or not visible:
        raise FusionError("Name the folder of infrared and that of visible images, or neither.")
    ir, vi = Path(infrared).expanduser(), Path(visible).expanduser()
    if ir.resolve() == vi.resolve():
        raise FusionError(f"{ir} is named for infrared and visible images: name two folders.")
    return ir, vi


def _render(name: str, modality: str, folder: Path) -> Path:
    # Sizes change from image to image, and formats differ, as where images were collected.
    sizes, later = own_sizes(name).rendered, modality == "vi"
    for number in range(COUNT):
        scene = number + COUNT * later
        size = sizes[(number + later) % len(sizes)]
        (pair,) = open_pairs("scenes", "train", names=[f"{scene:04d}{'DN'[scene % 2]}"], size=size)
        file, image = (
            (f"street_{number}.jpg", pair.vi_rgb) if later else (f"thermal_{number}.png", pair.ir)
        )
        images.write(folder / file, image)
    return folder


def own_spec(
    name: str,
    infrared: PairSet,
    visible: PairSet,
    patch: int | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Spec:
    """The CNN baseline, trained on patches that never met.

    Args:
        name: the profile.
        infrared, visible: images as `open_images` opens them.
        patch: side of a patch; default the profile's.
        steps: of the training; default the profile's.
        seed: of the weights and of the draws.

    Raises FusionError for images that give too few patches.
    """
    sizes = own_sizes(name)
    side = patch or sizes.patch
    ir, vi = patch_source(infrared, "ir", side, side), patch_source(visible, "vi", side, side)
    counts = patch_count(ir), patch_count(vi)
    meetings = relation_size("unpaired", *counts)
    if meetings < BATCH:
        raise FusionError(
            f"{counts[0]} infrared and {counts[1]} visible patches make {meetings} unpaired"
            f" meetings, fewer than a batch of {BATCH}: add images or take smaller patches."
        )
    length = {"steps": steps or sizes.steps, "lr": sizes.lr, "batch": BATCH}
    return Spec("bsp-cnn", ir, vi, "unpaired", min(EPOCH, meetings), **length, seed=seed)


def registered_pair(name: str, ir: str | Path = "", vi: str | Path = "") -> PairSet:
    """The pair to fuse: two files, or a rendered one that no training saw.

    Raises FusionError where one file is named and the other is not, for what
    is no image, and for two sizes.
    """
    if not ir and not vi:
        return open_pairs("scenes", "test", names=["0001N"], size=own_sizes(name).pair)
    if not ir or not vi:
        raise FusionError("A pair has two files: name the infrared and the visible one, or none.")
    pair = FilePair(Path(vi).stem, Path(ir).expanduser(), Path(vi).expanduser())
    images.read_pair(pair.ir_path, pair.vi_path)  # now, before anything is trained
    return PairSet("folder", "all", (pair,))
