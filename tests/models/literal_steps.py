"""Training steps of a network beside its published form."""

import pytest
import torch

from fusionlib.losses import BSPLoss
from tests.models.literal_cnn import copy_weights, literal_loss


def check_steps(ours, theirs, side, batch):
    """Along 20 Adam steps of the published form ours has its loss and its gradient.

    Ours starts each step from the published form's weights: Adam divides a gradient
    by its size and makes whole steps of rounding, so that even the published
    form, fed its batches in another order, leaves itself by more than 1e-4.
    """
    ours.train(), theirs.train()
    adam, totals = torch.optim.Adam(theirs.parameters(), lr=1e-4), []
    for _ in range(20):
        ir, vi = torch.rand(2, batch, 1, side, side)
        copy_weights(theirs, ours)
        ours.zero_grad()
        mine = BSPLoss()(ours(ir, vi), ir, vi)["total"]
        mine.backward()
        total = literal_loss(theirs(ir, vi), ir, vi)
        adam.zero_grad()
        total.backward()
        assert mine.item() == pytest.approx(total.item(), abs=1e-5)
        gradients = [
            torch.cat([weights.grad.flatten() for weights in model.parameters()])
            for model in (ours, theirs)
        ]
        # A pixel whose distance to the mixture is all rounding may turn its sign.
        assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()
        adam.step()
        totals.append(total.item())
    assert totals[-1] < totals[0]
