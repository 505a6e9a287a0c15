"""Where a training of SSVIF stands: its stage, its epoch's means, its best epoch."""

import math

import torch
from torch import Tensor, nn


class Course:
    """When stage II begins, and when a training ends.

    Stage I ends with the first epoch whose mean fusion loss is above that of
    the epoch before. A training ends after `patience` epochs without a lower
    loss on validation patches, and then goes back to its best epoch's weights.

    Args:
        alone: whether it begins with fusion alone.
        patience: None never ends it.

    Source: SSVIF, sections III-C and IV-A.
    """

    def __init__(self, alone: bool, patience: int | None):
        self.patience = patience
        self.joint = not alone
        self.began = 0  # the step that stage II began with, 0 for the first
        self.stopped = False
        self.sums, self.count = torch.zeros(2), 0
        self.before = math.inf  # the mean fusion loss of the last epoch
        self.best, self.waited, self.validation = math.inf, 0, 0.0
        self.weights: dict[str, Tensor] = {}

    def add(self, fusion: Tensor, csc: Tensor) -> None:
        """Hear the losses of a step."""
        self.sums = self.sums.to(fusion.device) + torch.stack((fusion, csc)).detach()
        self.count += 1

    @property
    def means(self) -> Tensor:
        """Mean fusion and consistency losses of this epoch so far, (2,)."""
        return self.sums / self.count

    def end_epoch(self, step: int, model: nn.Module, validation: float | None) -> None:
        """Decide what the next epoch is.

        Args:
            step: how many were taken.
            model: whose weights are kept if this epoch was the best.
            validation: its loss on the patches that are held out; None where
                there are none.
        """
        fusion = self.means[0].item()
        if not self.joint and fusion > self.before:
            self.joint, self.began = True, step
        self.before = fusion
        self.sums, self.count = torch.zeros_like(self.sums), 0
        if validation is None:
            return
        self.validation = validation
        self.waited += 1
        if validation < self.best:
            self.best, self.waited = validation, 0
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.stopped = self.waited >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Give the model its best epoch's weights, where one was found."""
        if self.weights:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict:
        """All that it knows, as plain values and tensors."""
        return {name: value for name, value in vars(self).items() if name != "patience"}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict`."""
        vars(self).update(state)
