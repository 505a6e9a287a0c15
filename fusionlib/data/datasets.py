"""The public datasets in the folder layouts in which they are published."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionlib.data.pairs import FilePair, PairSet, ScenePair, by_stem, match_files
from fusionlib.errors import FusionError, listed
from fusionlib.settings import data_root

_UNSTATED = "no licence stated, research use"
_SCENES_A_SPLIT = 32
SCENES_LICENCE = "rendered by fusionlib, free to use"


@dataclass(frozen=True)
class Folders:
    """Where a split lies in the dataset's folder; labels are class maps."""

    ir: str
    vi: str
    labels: str | None = None


@dataclass(frozen=True)
class Dataset:
    """What is known about one public dataset."""

    name: str
    splits: dict[str, Folders]
    licence: str
    citation: str
    source: str  # where a person gets it
    git: str | None = None  # where `fusionlib data get` gets it
    revision: str | None = None


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "MSRS",
            {
                split: Folders(f"{split}/ir", f"{split}/vi", f"{split}/Segmentation_labels")
                for split in ("train", "test")
            },
            _UNSTATED,
            "Tang et al., PIAFusion: a progressive infrared and visible image fusion network "
            "based on illumination aware, Information Fusion 2022",
            "https://github.com/Linfeng-Tang/MSRS (1,083 and 361 pairs, about 670 MB)",
            "https://github.com/Linfeng-Tang/MSRS",
            "2052589d3a714d0285c8792e24d2db290d84b6ea",
        ),
        Dataset(
            "RoadScene",
            # crop_HR_visible, also published, does not match the infrared in size.
            {"test": Folders("cropinfrared", "crop_LR_visible")},
            _UNSTATED,
            "Xu et al., FusionDN: a unified densely connected network for image fusion, AAAI 2020",
            "https://github.com/hanna-xu/RoadScene (221 pairs)",
            "https://github.com/hanna-xu/RoadScene",
            "ab71420f8fc96396eeb97eecf3694909b3feb656",
        ),
        Dataset(
            "LLVIP",
            {
                split: Folders(f"infrared/{split}", f"visible/{split}")
                for split in ("train", "test")
            },
            "non-commercial research and teaching only, cite the paper",
            "Jia et al., LLVIP: a visible-infrared paired dataset for low-light vision, "
            "ICCV Workshops 2021",
            "the project page https://bupt-ai-cz.github.io/LLVIP (by a form; 15,488 pairs, "
            "3,463 of them test)",
        ),
        Dataset(
            "M3FD",
            # One split: the published folders do not separate training from test, and the
            # annotations are boxes, not class maps.
            {"test": Folders("Ir", "Vis")},
            _UNSTATED,
            "Liu et al., Target-aware dual adversarial learning and a multi-scenario "
            "multi-modality benchmark to fuse infrared and visible for object detection, "
            "CVPR 2022",
            "the links in https://github.com/JinyuanLiu-CV/TarDAL (4,200 pairs with boxes)",
        ),
        Dataset(
            "FMB",
            {
                split: Folders(f"{split}/Infrared", f"{split}/Visible", f"{split}/Label")
                for split in ("train", "test")
            },
            _UNSTATED,
            "Liu et al., Multi-interactive feature learning and a full-time multi-modality "
            "benchmark for image fusion and segmentation, ICCV 2023",
            "the links in https://github.com/JinyuanLiu-CV/SegMiF (1,220 and 280 pairs)",
        ),
        Dataset(
            "TNO",
            # No layout is published: these two folders are fusionlib's choice.
            {"test": Folders("ir", "vi")},
            _UNSTATED,
            "Toet, The TNO multiband image data collection, Data in Brief 2017",
            'figshare, "The TNO Multiband Image Data Collection" (papers use 20 to 58 pairs)',
        ),
    )
}
NAMES = (*DATASETS, "scenes")
OWN = ("folder", "images")  # the user's own, from `open_folders` and `open_images`
# A licence that forbids to pass pictures on: shown to who has the images, never saved.
NOT_PASSED_ON = ("LLVIP",)


def open_pairs(
    dataset: str,
    split: str = "test",
    data: str | Path | None = None,
    names: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> PairSet:
    """Open the image pairs of a split; images are read when they are used.

    Args:
        dataset: "MSRS", "RoadScene", "LLVIP", "M3FD", "FMB", "TNO" (files) or
            "scenes" (rendered, no files; names "0000D" (day), "0001N" (night), ...,
            32 of them unless `names` asks for others).
        split: "train" or "test"; RoadScene, M3FD and TNO have "test" alone.
        data: folder that holds the datasets; default FUSIONLIB_DATA.
        names: which images, in that order; None takes all, in name order.
        size: (height, width) of "scenes", by default (480, 640).

    Raises:
        FusionError: unknown dataset, split or name; a missing or empty folder;
            a file without a partner.
    """
    names = (names,) if isinstance(names, str) else names
    if names is not None and not len(names):
        raise FusionError("The parameter names is empty: name an image, or pass None for all.")
    check_split(dataset, split)
    if dataset == "scenes":
        return _scenes(split, names, size or (480, 640))
    if size is not None:
        raise FusionError(f"The parameter size is for the dataset 'scenes', not {dataset!r}.")
    pairs, problems = match_split(DATASETS[dataset], split, data_root(data) / dataset)
    if problems:
        raise FusionError(problems[0])
    found = PairSet(dataset, split, tuple(pairs))
    return found if names is None else found.select(names)


def open_folders(ir_folder: str | Path, vi_folder: str | Path) -> PairSet:
    """Open the user's own pairs: two folders whose files have the same names.

    The suffixes may differ. The set's dataset is "folder", its split "all".

    Raises:
        FusionError: a missing or empty folder, one folder for both, two files
            of one name, or files without a partner.
    """
    ir_folder, vi_folder = _folder(ir_folder), _folder(vi_folder)
    if ir_folder.samefile(vi_folder):
        raise FusionError(
            f"{ir_folder} is named for the infrared and for the visible images: name two folders."
        )
    problems: list[str] = []
    ir, vi = by_stem(ir_folder, problems), by_stem(vi_folder, problems)
    if problems:
        raise FusionError(problems[0])
    lacks = []
    for folder, found, others in ((ir_folder, vi, ir), (vi_folder, ir, vi)):
        if missing := [path.name for stem, path in found.items() if stem not in others]:
            lacks.append(
                f"{folder} lacks the partners of {len(missing):,} images ({listed(missing)})"
            )
    if lacks:
        raise FusionError(
            f"{' and '.join(lacks)}: give both images of a pair one name, or remove single ones."
        )
    return PairSet(
        "folder", "all", tuple(FilePair(stem, ir[stem], vi[stem]) for stem in sorted(ir))
    )


def open_images(folder: str | Path) -> PairSet:
    """Open the user's own images of one modality, which have no partners.

    Each stands on both sides of a pair of its own: who opens infrared images
    reads `ir` alone, who opens visible ones `vi` or `vi_rgb`. The set's dataset
    is "images", its split "all".

    Raises:
        FusionError: a missing or empty folder, or two files of one name.
    """
    problems: list[str] = []
    found = by_stem(_folder(folder), problems)
    if problems:
        raise FusionError(problems[0])
    pairs = tuple(FilePair(stem, path, path) for stem, path in sorted(found.items()))
    return PairSet("images", "all", pairs)


def _folder(folder: str | Path) -> Path:
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FusionError(f"There is no folder {folder}: check its name.")
    return folder


def splits_of(dataset: str) -> tuple[str, ...]:
    """Names of a dataset's splits; FusionError if there is no such dataset."""
    if dataset not in NAMES:
        raise FusionError(f"Unknown dataset {dataset!r}: choose one of {', '.join(NAMES)}.")
    return ("train", "test") if dataset == "scenes" else tuple(DATASETS[dataset].splits)


def check_split(dataset: str, split: str) -> None:
    """Raise FusionError unless the dataset has this split."""
    if split not in splits_of(dataset):
        raise FusionError(
            f"{dataset} has no split {split!r}: choose {' or '.join(splits_of(dataset))}."
        )


def match_split(dataset: Dataset, split: str, folder: Path):
    """Pair the files of a split below the dataset's folder, as `match_files`.

    Raises:
        FusionError: the folders of that split are not there.
    """
    layout = dataset.splits[split]
    for part in (layout.ir, layout.vi):
        if not (folder / part).is_dir():
            raise FusionError(
                f"{dataset.name} {split} is not at hand, there is no folder {folder / part}: "
                f"`fusionlib data list` shows what is there (--data or FUSIONLIB_DATA names the "
                f"root), `fusionlib data get {dataset.name}` gets it or tells how."
            )
    labels = folder / layout.labels if layout.labels else None
    return match_files(folder / layout.ir, folder / layout.vi, labels)


def _scenes(split: str, names: Sequence[str] | None, size: tuple[int, int]) -> PairSet:
    if names is None:
        names = [f"{i:04d}{'DN'[i % 2]}" for i in range(_SCENES_A_SPLIT)]
    pairs = []
    for name in names:
        if not re.fullmatch(r"\d{3}([02468]D|[13579]N)", name):
            raise FusionError(
                f"scenes has no image named {name!r}: names are four digits and D (day) after "
                "an even number or N (night) after an odd one, such as '0000D' and '0001N'."
            )
        # Four digits stay below the distance of the splits, so that no seed is in both.
        seed = int(name[:4]) + (10_000 if split == "test" else 0)
        pairs.append(ScenePair(name, seed, name[4] == "N", tuple(size)))
    return PairSet("scenes", split, tuple(pairs))
