"""The best images that a network ever made of each pair, and their quality."""

import torch
from torch import Tensor


class BestSoFar:
    """Images by pair, one for each measure of quality.

    They are kept as grey levels, 8 bits: of 15,000 pairs of 128 x 128 they
    take half a gigabyte, and as numbers would take two.

    Args:
        patch: side of the images.
        measures: how many numbers a quality has; higher is better.
        device: where the images stay.
    """

    def __init__(self, patch: int, measures: int, device: torch.device | str):
        self.rows: dict[tuple[int, int], int] = {}
        self.images = torch.zeros(0, measures, patch, patch, dtype=torch.uint8, device=device)
        self.scores = torch.zeros(0, measures, device=device)

    def recall(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, measures, P, P) in [0, 1] and scores (B, measures).

        Of pairs (B, 2); of one that was not met before, black images and -inf.
        """
        rows = self._rows(pairs)
        return self.images[rows].float() / 255, self.scores[rows]

    def renew(self, pairs: Tensor, images: Tensor, scores: Tensor) -> None:
        """Keep images (B, 1, P, P) where their scores (B, measures) are higher."""
        rows = self._rows(pairs)
        better = scores > self.scores[rows]
        levels = images.detach().clamp(0, 1).mul(255).round().to(torch.uint8)
        levels = torch.where(better[..., None, None], levels, self.images[rows])
        self.images[rows] = levels
        self.scores[rows] = torch.where(better, scores, self.scores[rows])

    def _rows(self, pairs: Tensor) -> Tensor:
        """Where the pairs are kept; new ones get places."""
        met = [tuple(pair) for pair in pairs.tolist()]
        rows = [self.rows.setdefault(pair, len(self.rows)) for pair in met]
        if (missing := len(self.rows) - len(self.scores)) > 0:
            # Twice as many as before, so that places are seldom added.
            more = max(missing, len(self.scores))
            self.images = torch.cat((self.images, self.images.new_zeros(more, *self._shape)))
            none = self.scores.new_full((more, self.scores.shape[1]), -torch.inf)
            self.scores = torch.cat((self.scores, none))
        return torch.tensor(rows, device=pairs.device)

    @property
    def _shape(self) -> torch.Size:
        return self.images.shape[1:]

    def state_dict(self) -> dict[str, Tensor]:
        """Everything, for a checkpoint."""
        count = len(self.rows)
        return {
            "pairs": torch.tensor(list(self.rows), dtype=torch.int64).view(count, 2),
            "images": self.images[:count].clone(),
            "scores": self.scores[:count].clone(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """What `state_dict` gave."""
        pairs = state["pairs"].tolist()
        self.rows = {tuple(pair): row for row, pair in enumerate(pairs)}
        self.images = state["images"].to(self.images.device)
        self.scores = state["scores"].to(self.scores.device)
