"""The classes of the labelled datasets, and labels that are held against them."""

from torch import Tensor

from fusionlib.data.pairs import Pair
from fusionlib.errors import FusionError

# A class's number in the label files is its place here. The first one is what nobody labelled;
# the papers count it as a class of its own.
MSRS = (
    "unlabelled",
    "car",
    "person",
    "bike",
    "curve",
    "car stop",
    "guardrail",
    "colour cone",
    "bump",
)
# As its authors state them (github.com/JinyuanLiu-CV/SegMiF, issue 10); no test image holds a
# bicycle (issue 28).
FMB = (
    "unlabelled",
    "road",
    "sidewalk",
    "building",
    "traffic lamp",
    "traffic sign",
    "vegetation",
    "sky",
    "person",
    "car",
    "truck",
    "bus",
    "motorcycle",
    "bicycle",
    "pole",
)
CLASSES = {"MSRS": MSRS, "FMB": FMB, "scenes": MSRS}


def classes_of(dataset: str) -> tuple[str, ...]:
    """Names of a dataset's classes, by their numbers.

    Raises FusionError for a dataset without class maps.
    """
    if dataset not in CLASSES:
        raise FusionError(
            f"{dataset} has no labelled classes: the labelled datasets are {', '.join(CLASSES)}."
        )
    return CLASSES[dataset]


def labels_of(pair: Pair, dataset: str) -> Tensor:
    """The labels of a pair of that dataset, checked: int64 (H, W), classes from 0.

    Raises FusionError where there are none, where their size is not that of
    the images, and for a number that is no class.
    """
    classes, labels = classes_of(dataset), pair.labels
    if labels is None:
        raise FusionError(
            f"{pair.name} of {dataset} has no labels: get the dataset with its label files."
        )
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= len(classes):
        raise FusionError(
            f"{getattr(pair, 'labels_path', None) or pair.name} holds class"
            f" {low if low < 0 else high}, but the classes of {dataset} go from 0 ({classes[0]}) to"
            f" {len(classes) - 1} ({classes[-1]}): give each pixel one of these numbers."
        )
    return labels
