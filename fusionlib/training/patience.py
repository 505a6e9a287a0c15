"""When a training has learnt enough: early stopping, with the best weights."""

import torch
from torch import nn


class Patience:
    """Remembers the weights of the epoch with the least held-out loss.

    Args:
        epochs: how many may pass without a smaller loss.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.start_anew()

    def start_anew(self) -> None:
        """Forget every epoch."""
        self.waited, self.least = 0, float("inf")
        self.weights: dict[str, torch.Tensor] = {}

    @property
    def over(self) -> bool:
        """Whether the training should end."""
        return self.waited >= self.epochs

    def note(self, loss: float, network: nn.Module) -> None:
        """Take down an epoch's held-out loss and, where it is the least, the weights."""
        if loss < self.least:
            self.least, self.waited = loss, 0
            self.weights = {k: value.clone() for k, value in network.state_dict().items()}
        else:
            self.waited += 1

    def give_back(self, network: nn.Module) -> None:
        """Give the network the best weights, where there are some."""
        if self.weights:
            network.load_state_dict(self.weights)

    def state_dict(self) -> dict:
        """Everything, for a checkpoint."""
        return {"waited": self.waited, "least": self.least, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        """What `state_dict` gave."""
        self.waited, self.least, self.weights = state["waited"], state["least"], state["weights"]
