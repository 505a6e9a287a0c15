"""TGFuse's training as released: an Adam that begins anew with every batch."""

import torch
from torch import nn

from fusionlib.training.plain import PlainTraining


class FreshAdam(torch.optim.Optimizer):
    """The first step of Adam, every time.

    A weight moves by lr g / (|g| + eps), which is lr, or less where its
    gradient g is next to nothing. There is no state to keep: for 137 million
    weights a new Adam would clear a gigabyte at each step.
    """

    def __init__(self, weights, lr: float, eps: float = 1e-8):
        super().__init__(weights, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self) -> None:
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    # Adam's means, of one gradient and without their bias, are g and g^2.
                    size = weight.grad.abs().add_(group["eps"])
                    weight.addcdiv_(weight.grad, size, value=-group["lr"])


class TGFuseTraining(PlainTraining):
    """Plain training with the optimiser that `TGFuseLoss.form` asks for."""

    def adam(self, network: nn.Module) -> torch.optim.Optimizer:
        if self.spec.loss.form == "paper":
            return super().adam(network)
        return FreshAdam(network.parameters(), self.spec.lr)
