"""Cross-segmentation consistency against loops over pixels, and what a collapse costs."""

import math

import numpy as np
import pytest
import torch

from fusionlib.errors import FusionError
from fusionlib.losses.consistency import consistency, dice, hybrid, pseudo_labels


def logits(*shape, scale=2.0):
    return scale * torch.randn(shape)


def softmax(values):
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def slow(a, b, epsilon=1e-8):
    """Eq. 4-6 pixel by pixel: the loss, agreement, share of A, classes."""
    images, n, height, width = a.shape
    a, b = a.double().tolist(), b.double().tolist()
    entropies, agreed, from_a, named = [0.0, 0.0], 0, 0, set()
    overlap, predicted, labelled = np.zeros((2, n)), np.zeros((2, n)), np.zeros(n)
    for image in range(images):
        for row in range(height):
            for column in range(width):
                p = [softmax([x[image][c][row][column] for c in range(n)]) for x in (a, b)]
                winner = 0 if max(p[0]) > max(p[1]) else 1
                label = p[winner].index(max(p[winner]))
                named.add(label)
                from_a += winner == 0
                agreed += p[0].index(max(p[0])) == p[1].index(max(p[1]))
                labelled[label] += 1
                for branch in (0, 1):
                    entropies[branch] -= math.log(p[branch][label])
                    predicted[branch] += p[branch]
                    overlap[branch, label] += p[branch][label]
    pixels = images * height * width
    losses = [
        entropies[k] / pixels
        + 1 - sum(2 * overlap[k] / (predicted[k] + labelled + epsilon)) / n
        for k in (0, 1)
    ]  # fmt: skip
    return {
        "csc": sum(losses) / 2,
        "agreement": agreed / pixels,
        "from_a": from_a / pixels,
        "classes": len(named),
    }


@pytest.mark.parametrize("n", [2, 5])
def test_it_agrees_with_the_loop(n):
    a, b = logits(3, n, 4, 5), logits(3, n, 4, 5)
    found = {name: value.item() for name, value in consistency(a, b).items()}
    assert found == pytest.approx(slow(a, b), abs=1e-5)
    assert 0 < found["from_a"] < 1
    assert found["agreement"] < 1


def test_labels_come_from_the_more_confident_branch():
    a = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 3.0, 0.0]])
    b = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    # The last pixel: A's logits are higher, but undecided between two classes.
    a[2], b[2] = torch.tensor([3.0, 3.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    labels, from_a = pseudo_labels(*(x.T.reshape(1, 3, 1, 3) for x in (a, b)))
    assert labels.flatten().tolist() == [0, 2, 2]
    assert from_a.flatten().tolist() == [True, False, False]


def test_in_a_tie_b_labels():
    a = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    labels, from_a = pseudo_labels(a, a.roll(1, 1))
    assert labels.item() == 1
    assert not from_a.item()


def test_confidence_is_a_probability():
    # A logit of 5 beside 4 is less sure than one of 1 beside -3.
    a, b = torch.tensor([5.0, 4.0]), torch.tensor([-3.0, 1.0])
    labels, _ = pseudo_labels(a.view(1, 2, 1, 1), b.view(1, 2, 1, 1))
    assert labels.item() == 1


def one_hot(labels, n):
    return torch.nn.functional.one_hot(labels, n).permute(0, 3, 1, 2).float()


def test_dice_of_a_perfect_labelling_is_0_only_with_every_class():
    labels = torch.arange(4).repeat(6).view(2, 3, 4)
    assert dice(one_hot(labels, 4), labels).item() == pytest.approx(0, abs=1e-6)
    # A fifth class that nobody sees is no overlap.
    assert dice(one_hot(labels, 5), labels).item() == pytest.approx(1 / 5, abs=1e-6)


def test_a_class_counts_once_in_a_batch():
    # Each image shows one class of two; image by image half of each would be missing.
    labels = torch.stack((torch.zeros(3, 3), torch.ones(3, 3))).long()
    assert dice(one_hot(labels, 2), labels).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("n", [2, 9, 15])
def test_a_collapse_to_one_class_is_not_free(n):
    sure = torch.zeros(2, n, 4, 4)
    sure[:, 1] = 60
    terms = consistency(sure, sure.clone())
    assert terms["csc"].item() == pytest.approx(1 - 1 / n, abs=1e-6)
    assert [terms[name].item() for name in ("agreement", "from_a", "classes")] == [1, 0, 1]


def test_a_class_that_nobody_labels_is_not_pulled_back():
    predicted = torch.rand(2, 4, 3, 3).softmax(1).requires_grad_()
    dice(predicted, torch.arange(9).view(1, 3, 3).expand(2, -1, -1) % 2).backward()
    assert not predicted.grad[:, 2:].any()
    assert predicted.grad[:, :2].all()


def test_a_class_that_is_only_predicted_or_only_labelled_has_no_overlap():
    labels = torch.zeros(1, 2, 2).long()
    assert dice(one_hot(labels + 1, 2), labels).item() == 1


def test_hybrid_of_no_opinion():
    labels = torch.arange(8).view(1, 2, 4) % 4
    # Each class: 8 pixels of 1/4, 2 of them labelled.
    expected = math.log(4) + 1 - 2 * 2 / 4 / (8 / 4 + 2)
    assert hybrid(torch.zeros(1, 4, 2, 4), labels).item() == pytest.approx(expected, rel=1e-6)


def test_no_gradient_passes_through_the_labels():
    a, b = (logits(1, 3, 4, 4).requires_grad_() for _ in range(2))
    labels, _ = pseudo_labels(a, b)
    found = torch.autograd.grad(consistency(a, b)["csc"], (a, b))
    expected = torch.autograd.grad((hybrid(a, labels) + hybrid(b, labels)) / 2, (a, b))
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)
        assert one.abs().max() > 0


def test_what_tells_has_no_gradient():
    terms = consistency(*(logits(1, 3, 4, 4).requires_grad_() for _ in range(2)))
    assert [name for name, term in terms.items() if term.requires_grad] == ["csc"]
    assert all(term.shape == () and term.dtype == torch.float32 for term in terms.values())


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e4])
def test_extreme_logits_give_finite_derivatives(scale):
    a, b = (logits(2, 4, 5, 5, scale=scale).requires_grad_() for _ in range(2))
    csc = consistency(a, b)["csc"]
    csc.backward()
    assert csc.isfinite()
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()


def test_half_precision_is_computed_in_float32():
    a, b = (logits(1, 3, 4, 4).bfloat16() for _ in range(2))
    assert consistency(a, b) == consistency(a.float(), b.float())


def test_going_down_the_slope_brings_the_branches_together():
    a, b = (logits(1, 4, 6, 6).requires_grad_() for _ in range(2))
    adam = torch.optim.Adam([a, b], lr=0.1)
    before = consistency(a, b)["agreement"].item()
    for _ in range(30):
        adam.zero_grad()
        consistency(a, b)["csc"].backward()
        adam.step()
    assert consistency(a, b)["agreement"].item() == 1 > before


def test_what_makes_no_segmentation_is_refused():
    with pytest.raises(FusionError, match="n of a segmentation is 2 classes or more"):
        consistency(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4))
    with pytest.raises(FusionError, match=r"one shape .*\(1, 3, 4, 4\) and \(1, 3, 1, 1\)"):
        consistency(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 1, 1))
