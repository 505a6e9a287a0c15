"""Which infrared patch meets which visible patch: relations and draws.

Over N infrared and M visible patches a relation is a set of index pairs:
strict {(i, i)}, unpaired {(i, j), i != j}, arbitrary {(i, j)} (Beyond Strict
Pairing, Eq. 14). A draw takes T of them without replacement. The set is never
built: pairs are numbers that are drawn first and decoded afterwards.
"""

from dataclasses import dataclass

import numpy as np

from fusionlib.errors import FusionError

RELATIONS = ("strict", "unpaired", "arbitrary")
# The papers' names of the training paradigms.
PARADIGMS = {"SPTP": "strict", "UPTP": "unpaired", "APTP": "arbitrary"}


def relation_size(relation: str, n_ir: int, n_vi: int) -> int:
    """How many pairs the relation allows over N infrared and M visible.

    Raises FusionError for an unknown relation, and for a strict relation
    over unequal numbers.
    """
    if relation == "strict":
        if n_ir != n_vi:
            raise FusionError(
                f"A strict relation needs as many infrared as visible patches, not {n_ir} and"
                f" {n_vi}; use 'unpaired' or 'arbitrary'."
            )
        return n_ir
    if relation == "unpaired":
        return n_ir * n_vi - min(n_ir, n_vi)
    if relation == "arbitrary":
        return n_ir * n_vi
    raise FusionError(f"There is no relation {relation!r}; it is one of {', '.join(RELATIONS)}.")


def decode(relation: str, numbers: np.ndarray, n_ir: int, n_vi: int) -> np.ndarray:
    """Index pairs (T, 2), infrared first, of the relation's numbers (T,).

    Numbers run from 0 to `relation_size` - 1 and reach every pair once.
    """
    if relation == "strict":
        return np.stack((numbers, numbers), 1)
    if relation == "unpaired":
        # In the row-major N x M matrix a diagonal element follows every M
        # others; step over those that come before.
        numbers = numbers + np.minimum(numbers // n_vi + 1, min(n_ir, n_vi))
    return np.stack(np.divmod(numbers, n_vi), 1)


@dataclass(frozen=True)
class Draw:
    """T pairs of a relation, without replacement, shuffled anew each epoch.

    Args:
        relation: "strict", "unpaired" or "arbitrary".
        n_ir, n_vi: patches of each modality.
        pairs: T, how many pairs an epoch holds.
        seed: the same seed gives the same draws.
        redraw: take new pairs each epoch, as the released code does, or keep
            the first epoch's pairs and change only their order.

    Raises FusionError where the relation holds fewer than T pairs.
    """

    relation: str
    n_ir: int
    n_vi: int
    pairs: int
    seed: int = 0
    redraw: bool = True

    def __post_init__(self):
        size = relation_size(self.relation, self.n_ir, self.n_vi)
        if not 0 < self.pairs <= size:
            raise FusionError(
                f"pairs={self.pairs} can't be drawn: the {self.relation} relation over"
                f" {self.n_ir} x {self.n_vi} patches holds {size}."
            )

    def epoch(self, number: int) -> np.ndarray:
        """The epoch's index pairs (T, 2) int64: infrared, visible."""
        size = relation_size(self.relation, self.n_ir, self.n_vi)
        source = np.random.default_rng([self.seed, number if self.redraw else 0])
        drawn = source.choice(size, self.pairs, replace=False)
        if not self.redraw:
            drawn = np.random.default_rng([self.seed, number]).permutation(drawn)
        return decode(self.relation, drawn, self.n_ir, self.n_vi)
