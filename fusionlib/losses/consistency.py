"""Cross-segmentation consistency of SSVIF (Eq. 4-6): two branches, one labelling.

Branch A segments fused features, branch B the fused image. Nobody labels: at
every pixel both learn from the one that is the more confident.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlib.errors import FusionError


@torch.no_grad()
def pseudo_labels(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The class of the more confident branch, and whether that is A.

    a, b: logits (B, n, H, W). A counts only where it is strictly more
    confident.

    Returns int64 and bool, (B, H, W) each; no gradient passes.
    """
    (sure_a, class_a), (sure_b, class_b) = (x.float().softmax(1).max(1) for x in (a, b))
    from_a = sure_a > sure_b
    # Eq. 4
    return torch.where(from_a, class_a, class_b), from_a


def dice(probabilities: Tensor, labels: Tensor, eps: float = 1e-8) -> Tensor:
    """1 - the mean over classes of their Dice overlap: a scalar in [0, 1].

    `eps` stands in the denominator alone, and that matters. A class that is
    neither predicted nor labelled then counts as no overlap, so branches that
    agree on one class everywhere still pay 1 - 1/n. With `eps` in the
    numerator, too (the "smooth" Dice), every absent class would count as a
    perfect overlap, and that collapse would cost nothing.

    It is a price, not a way back: the overlap of a class without a labelled
    pixel is 0 whatever the prediction, so no gradient revives it. Since labels
    are the branches' own, a class that is lost stays lost, and trainings end
    on one or two classes (Table III's notebook shows how soon).

    Args:
        probabilities: (B, n, H, W) in [0, 1].
        labels: int (B, H, W), classes from 0 on.

    Source: SSVIF, Eq. 5, second line. Inferred: its sums run over all pixels
    of the batch, so that a class which few images show counts once, not as
    absent from each of the others; and eps.
    """
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    labelled = labels[:, None] == classes.view(-1, 1, 1)
    everywhere = (0, 2, 3)
    shared = (probabilities * labelled).sum(everywhere)
    both = probabilities.sum(everywhere) + labelled.sum(everywhere)
    # Eq. 5, second line
    return 1 - (2 * shared / (both + eps)).mean()


def hybrid(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy and Dice of one branch: a scalar, >= 0.

    Args:
        logits: (B, n, H, W).
        labels: int64 (B, H, W), classes from 0 on.

    Source: SSVIF, Eq. 5. Inferred: the cross entropy is a mean over pixels;
    the paper writes a sum, beside which Dice would be nothing.
    """
    logits = logits.float()
    # Eq. 5, first and third line
    return F.cross_entropy(logits, labels) + dice(logits.softmax(1), labels)


def consistency(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """L_csc of two branches, and what tells how they get on.

    a, b: logits (B, n, H, W) of features and of the image, n from 2 on.

    Returns scalars: `csc`, the loss, and without gradient `agreement`, the
    share of pixels where both name one class; `from_a`, the share where A
    labels; `classes`, how many the labels name.

    Raises FusionError for logits of two shapes or of a single class.

    Source: SSVIF, Eq. 4-6.
    """
    if a.shape != b.shape:
        raise FusionError(
            f"Both branches give logits of one shape (B, n, H, W), not {tuple(a.shape)} and"
            f" {tuple(b.shape)}: resize the smaller."
        )
    if a.shape[1] < 2:
        raise FusionError("n of a segmentation is 2 classes or more: with one there is no choice.")
    labels, from_a = pseudo_labels(a, b)
    # Eq. 6
    csc = (hybrid(a, labels) + hybrid(b, labels)) / 2
    named = csc.new_zeros(a.shape[1]).index_fill_(0, labels.flatten(), 1)
    return {
        "csc": csc,
        "agreement": (a.argmax(1) == b.argmax(1)).float().mean(),
        "from_a": from_a.float().mean(),
        "classes": named.sum(),
    }
