"""Where a training of SSVIF stands: its stage, and the means of its epoch."""

import math

import torch
from torch import Tensor


class Course:
    """When stage II begins: after the first epoch whose mean fusion loss rose.

    Args:
        alone: whether it begins with fusion alone, which is stage I.

    Source: SSVIF, section III-C.
    """

    def __init__(self, alone: bool):
        self.joint = not alone
        self.began = 0  # the step that stage II began with, 0 for the first
        self.sums, self.count = torch.zeros(2), 0
        self.before = math.inf  # the mean fusion loss of the last epoch
        self.validation = 0.0  # that of the patches that are held out

    def add(self, fusion: Tensor, csc: Tensor) -> None:
        """Hear the losses of a step."""
        self.sums = self.sums.to(fusion.device) + torch.stack((fusion, csc)).detach()
        self.count += 1

    @property
    def means(self) -> Tensor:
        """Mean fusion and consistency losses of this epoch so far, (2,)."""
        return self.sums / self.count

    def end_epoch(self, step: int) -> None:
        """Decide what the next epoch is; `step` were taken."""
        fusion = self.means[0].item()
        if not self.joint and fusion > self.before:
            self.joint, self.began = True, step
        self.before = fusion
        self.sums, self.count = torch.zeros_like(self.sums), 0

    def state_dict(self) -> dict:
        """All that it knows, as plain values and a tensor."""
        return dict(vars(self))

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict`."""
        vars(self).update(state)
