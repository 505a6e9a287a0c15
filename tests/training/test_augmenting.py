"""Windows of labelled images, enlarged and mirrored: both alike, anywhere, repeatable."""

import torch

from fusionlib.training.augmenting import augmented


def ramp(count, height=24, width=36):
    """Images whose channels are each pixel's row and column, and labels of the left half."""
    rows = torch.linspace(0, 1, height)[:, None].expand(height, width)
    columns = torch.linspace(0, 1, width).expand(height, width)
    images = torch.stack((rows, columns)).expand(count, 2, height, width)
    return images, (columns < 0.5).long().expand(count, height, width)


def test_labels_go_where_their_pixels_go():
    images, labels = ramp(60)
    torch.manual_seed(0)
    seen, classes = augmented(images, labels)
    assert (seen.shape, classes.shape) == (images.shape, labels.shape)
    assert classes.dtype == torch.int64
    clear = (seen[:, 1] - 0.5).abs() > 0.03  # off the edge, where neighbours mix
    assert torch.equal(classes[clear], (seen[:, 1] < 0.5).long()[clear])


def test_windows_take_all_sizes_places_and_sides():
    images, labels = ramp(400)
    torch.manual_seed(1)
    seen, _ = augmented(images, labels)
    left, right = seen[:, 1, 0, 0], seen[:, 1, 0, -1]
    mirrored = left > right
    assert 140 < mirrored.sum() < 260
    share = (left - right).abs()
    assert 0.45 < share.min() < 0.55
    assert share.max() > 0.95
    start, end = torch.minimum(left, right), torch.maximum(left, right)
    assert start.min() == 0
    assert end.max() == 1
    assert start.max() > 0.4


def test_a_seed_repeats_it_and_one_keeps_all():
    images, labels = ramp(5)
    torch.manual_seed(2)
    one = augmented(images, labels)
    torch.manual_seed(2)
    other = augmented(images, labels)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    whole, classes = augmented(images, labels, least=1)
    mirrored = whole[:, 1, 0, 0] > 0
    flip = mirrored[:, None, None]
    torch.testing.assert_close(whole, torch.where(flip[:, None], images.flip(-1), images))
    assert torch.equal(classes, torch.where(flip, labels.flip(-1), labels))
