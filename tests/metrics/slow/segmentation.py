"""Confusion and IoU by scikit-learn: integer arrays (H, W)."""

import numpy as np
from sklearn.metrics import confusion_matrix, jaccard_score


def confusion(predicted, labels, classes, ignore=None):
    counted = labels != ignore
    return confusion_matrix(labels[counted], predicted[counted], labels=range(classes))


def iou(predicted, labels, classes, ignore=None):
    counted = labels != ignore
    labels, predicted = labels[counted], predicted[counted]
    # scikit-learn's 0 for a class that is in neither would count against the mean.
    return np.array([
        jaccard_score(labels == c, predicted == c) if c in labels or c in predicted else np.nan
        for c in range(classes)
    ])  # fmt: skip
