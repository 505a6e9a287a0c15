"""Overlap of predicted and labelled classes: IoU and mIoU."""

import torch

from fusionlib.errors import FusionError

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_classes(classes):
    """Refuse what is not a number of classes."""
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise FusionError(f"classes is {classes!r}: give the number of classes.")


def confusion(predicted, labels, classes, ignore=None):
    """Count which class was predicted where which is labelled.

    Args:
        predicted, labels: integer tensors (B, H, W), classes from 0.
        classes: how many classes there are.
        ignore: a label whose pixels are left out, such as 255.

    Returns:
        int64 tensor (B, classes, classes): rows are labels, columns predictions.

    Raises:
        FusionError: shapes that differ, or a class that can't be.
    """
    check_classes(classes)
    for name, values in (("predicted", predicted), ("labels", labels)):
        if getattr(values, "dtype", None) not in _INTEGERS:
            raise FusionError(f"{name} must be a tensor of integers: give class numbers.")
    if predicted.shape != labels.shape or labels.ndim != 3:
        raise FusionError(
            f"predicted has shape {tuple(predicted.shape)} and labels {tuple(labels.shape)}: "
            "give both as (B, H, W)."
        )
    predicted, labels = predicted.long(), labels.long()
    counted = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
    for name, values in (("predicted", predicted), ("labels", labels)):
        wrong = counted & ((values < 0) | (values >= classes))
        if wrong.any():
            raise FusionError(
                f"{name} holds class {values[wrong][0].item()}: classes go from 0 to {classes - 1}."
            )
    image = torch.arange(len(labels), device=labels.device).view(-1, 1, 1)
    cells = (image * classes + labels) * classes + predicted
    counts = torch.bincount(cells[counted], minlength=len(labels) * classes * classes)
    return counts.view(-1, classes, classes)


def iou(predicted, labels, classes, ignore=None):
    """Intersection over union of each class (IoU).

    ``IoU_c = TP / (TP + FP + FN)`` over the pixels of an image. From 0 to 1; NaN
    for a class that is neither labelled nor predicted.

    Args:
        predicted, labels, classes, ignore: as for `confusion`.

    Returns:
        float64 tensor (B, classes); not differentiable. Papers print the IoU of
        a whole test set, not the mean over its images: sum `confusion` over the
        images and pass it to `iou_of`, or use the class `IoU`.

    Raises:
        FusionError: shapes that differ, or a class that can't be.

    Source: Everingham et al., "The PASCAL visual object classes challenge",
    IJCV 88(2), 2010.
    """
    return iou_of(confusion(predicted, labels, classes, ignore))


def miou(predicted, labels, classes, ignore=None):
    """Mean over the classes present of `iou` (mIoU): float64 (B,); not differentiable."""
    return iou(predicted, labels, classes, ignore).nanmean(-1)


def iou_of(counts):
    """IoU (..., classes) of confusion matrices (..., classes, classes): float64."""
    hits = counts.diagonal(dim1=-2, dim2=-1).double()
    return hits / (counts.sum(-1) + counts.sum(-2) - hits)
