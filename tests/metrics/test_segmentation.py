"""Confusion, IoU and mIoU: equal to scikit-learn's, and known by hand."""

import numpy as np
import pytest
import torch

from fusionlib import metrics
from fusionlib.errors import FusionError
from tests.metrics.slow import segmentation as slow


def maps(classes, ignored=False):
    """Predicted classes and labels (4, 20, 30) that agree at half of the pixels."""
    generator = torch.Generator().manual_seed(6)
    labels, predicted = torch.randint(0, classes, (2, 4, 20, 30), generator=generator)
    predicted[:, :10] = labels[:, :10]
    predicted[1], labels[1] = predicted[1].clamp_max(2), labels[1].clamp_max(1)  # some are absent
    if ignored:
        labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    return predicted, labels


@pytest.mark.parametrize("ignore", [None, 255])
@pytest.mark.parametrize("classes", [3, 9])
def test_equals_scikit_learn(classes, ignore):
    predicted, labels = maps(classes, ignored=ignore is not None)
    pairs = list(zip(predicted.numpy(), labels.numpy(), strict=True))
    counts = metrics.confusion(predicted, labels, classes, ignore)
    assert counts.dtype == torch.int64
    assert np.array_equal(counts, [slow.confusion(*pair, classes, ignore) for pair in pairs])
    values = metrics.iou(predicted, labels, classes, ignore)
    expected = np.stack([slow.iou(*pair, classes, ignore) for pair in pairs])
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    if classes > 3:
        assert np.isnan(expected).any()
    means = metrics.miou(predicted, labels, classes, ignore)
    np.testing.assert_allclose(means, np.nanmean(expected, 1), rtol=1e-12)
    # Of a whole test set: from the summed counts.
    whole = slow.iou(predicted.numpy(), labels.numpy(), classes, ignore)
    np.testing.assert_allclose(metrics.iou_of(counts.sum(0)), whole, rtol=1e-12)


def test_known_by_hand():
    labels = torch.tensor([[[0, 0, 1, 1], [1, 1, 2, 2]]])
    predicted = torch.tensor([[[0, 1, 1, 1], [1, 0, 2, 2]]])
    assert metrics.confusion(predicted, labels, 4).tolist() == [
        [[1, 1, 0, 0], [1, 3, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    ]
    values = metrics.iou(predicted, labels, 4)
    assert values[0, :3].tolist() == pytest.approx([1 / 3, 3 / 5, 1])
    assert values[0, 3].isnan()
    assert metrics.miou(predicted, labels, 4).tolist() == pytest.approx([(1 / 3 + 3 / 5 + 1) / 3])
    assert metrics.miou(labels, labels, 4).tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_any_integers_will_do(dtype):
    predicted, labels = maps(9, ignored=True)
    expected = metrics.confusion(predicted, labels, 9, 255)
    counts = metrics.confusion(predicted.to(dtype), labels.to(dtype), 9, 255)
    assert torch.equal(counts, expected)


def test_what_lies_under_an_ignored_label_does_not_matter():
    predicted, labels = maps(9, ignored=True)
    expected = metrics.confusion(predicted, labels, 9, 255)
    predicted[labels == 255] = 77
    assert torch.equal(metrics.confusion(predicted, labels, 9, 255), expected)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p, x: metrics.confusion(p, x[:, 1:], 9), "^predicted has shape"),
        (lambda p, x: metrics.iou(p[0], x[0], 9), "^predicted has shape"),
        (lambda p, x: metrics.iou(p.float(), x, 9), "^predicted must be a tensor of integers"),
        (lambda p, x: metrics.iou(p, x.numpy(), 9), "^labels must be a tensor of integers"),
        (lambda p, x: metrics.iou(p, x, 9.0), "^classes is 9.0"),
        (lambda p, x: metrics.iou(p, x, 5), "holds class [5-8]: classes go from 0 to 4"),
        (lambda p, x: metrics.miou(p, x - 1, 9), "^labels holds class -1"),
        (lambda p, x: metrics.miou(p + 255, x, 9, 255), "^predicted holds class 2"),
    ],
)
def test_bad_input_gets_one_sentence(call, says):
    with pytest.raises(FusionError, match=says):
        call(*maps(9))
