"""How much each of two objectives counts: L_fusion and L_csc of SSVIF.

A weighting is asked at every step of stage II, and told what came of it:

    weights = weighting(norms)                # lambda_fusion, lambda_csc: (2,)
    total = weighting.total(losses, weights)  # what the step goes down
    weighting.after_step(losses)
    weighting.after_epoch(means)              # at the end of each epoch

Everywhere two numbers stand in this order: of fusion, of csc. A weighting is
a module: what it learns are its parameters, which need an optimiser; what it
remembers are its buffers, which its state holds, too.
"""

import torch
from torch import Tensor, nn

from fusionlib.errors import FusionError
from fusionlib.losses.factors import as_factor

NORMS = ("epoch", "step")  # that GDWA goes by


class Weighting(nn.Module):
    """lambda_fusion and lambda_csc of every step; a subclass has `forward`.

    `weights = weighting(norms)`, (2,) each: the norms of both gradients over
    the shared parameters, which only those with `needs_norms` look at.
    """

    needs_norms = False

    def total(self, losses: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of losses (2,): a scalar.

        Of detached losses its backward pass reaches what the weighting learns,
        and that alone; most learn nothing.
        """
        return weights @ losses

    def after_step(self, losses: Tensor) -> None:
        """Hear the losses (2,) of a step that was taken, detached."""

    def after_epoch(self, means: Tensor) -> None:
        """Hear the mean losses (2,) of an epoch of stage II, at its end."""


class Fixed(Weighting):
    """1 and omega.

    Args:
        omega: 0.1 in Table III of SSVIF.
    """

    def __init__(self, omega: float = 0.1):
        super().__init__()
        weights = torch.tensor([1.0, as_factor("omega", omega)])
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, norms: Tensor | None = None) -> Tensor:
        return self.weights


class UCW(Weighting):
    """exp(-s) / 2 of each, and s is learnt: uncertainty.

    s = log sigma^2 of both begins at -0.5 and is a parameter. At fixed losses
    it comes to rest where s is the logarithm of the loss.

    Source: Kendall et al., CVPR 2018. Inferred: its form for regression, for
    both losses; the start is that of public code.
    """

    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.full((2,), -0.5))

    def forward(self, norms: Tensor | None = None) -> Tensor:
        return torch.exp(-self.s) / 2

    def total(self, losses: Tensor, weights: Tensor) -> Tensor:
        """The sum of exp(-s) L / 2 + s / 2."""
        return weights @ losses + self.s.sum() / 2


class _Descent(Weighting):
    """What remembers how fast losses fall: `rates` (2,), the last over the one before.

    1 until there are two, and where the one before is 0.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("before", torch.zeros(2))
        self.register_buffer("rates", torch.ones(2))

    def _fall(self, losses: Tensor) -> None:
        losses = losses.detach()
        # r_k of section III-E
        rates = torch.where(self.before > 0, losses / self.before, 1.0)
        self.rates.copy_(rates)
        self.before.copy_(losses)


class DWA(_Descent):
    """2 softmax(r / T): more for what falls more slowly.

    r are the ratios of the last two epochs' mean losses; both weights are 1 in
    the first two epochs.

    Args:
        temperature: T, 2 in the paper.

    Source: Liu et al., CVPR 2019.
    """

    def __init__(self, temperature: float = 2.0):
        super().__init__()
        self.temperature = _temperature(temperature)

    def forward(self, norms: Tensor | None = None) -> Tensor:
        return 2 * torch.softmax(self.rates / self.temperature, 0)

    def after_epoch(self, means: Tensor) -> None:
        self._fall(means)


class GDWA(_Descent):
    """1 and omega_csc: more for larger gradients, and for what falls more slowly.

    The paper normalises over both objectives what it divides again: what is
    left is omega_csc = g_csc / g_fusion exp((r_csc - r_fusion) / T), which is
    computed here. Where g_fusion is 0 that has no value; here it is 0.

    Args:
        temperature: T. Inferred: 2, as DWA's.
        norms: g of "epoch", the default, are the means of the last epoch, and
            in the first one of stage II those of its steps so far; of "step",
            those of the step itself.

    Source: SSVIF, section III-E and Eq. 7. Inferred: how often g is taken. By
    the step a gradient that is an outlier is weighted by its own size, so its
    pull grows with the square: a training of SeAFusion broke down on an omega
    of 12 where 0.05 was usual. The mean loss of "the current epoch" is not
    known before its end, so r are the ratios of the last two epochs of stage
    II, as in DWA, and 1 in its first two.
    """

    needs_norms = True

    def __init__(self, temperature: float = 2.0, norms: str = "epoch"):
        super().__init__()
        self.temperature = _temperature(temperature)
        if norms not in NORMS:
            raise FusionError(f"norms is one of {', '.join(NORMS)}, not {norms!r}.")
        self.norms = norms
        self.register_buffer("last", torch.zeros(2))  # the last epoch's means
        self.register_buffer("seen", torch.zeros(2))  # sums over this epoch's
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, norms: Tensor) -> Tensor:
        norms = norms.detach()
        if self.norms == "epoch":
            self.seen += norms
            self.steps += 1
            norms = torch.where(self.last.any(), self.last, self.seen / self.steps)
        # As logarithms, since a quotient may overflow where the product does not.
        g_fusion, g_csc = norms.log()
        r_fusion, r_csc = self.rates
        # Eq. 7
        omega = torch.exp(g_csc - g_fusion + (r_csc - r_fusion) / self.temperature)
        omega = omega.clamp_max(torch.finfo(omega.dtype).max)
        omega = torch.where(norms[0] > 0, omega, 0.0)
        return torch.stack((torch.ones_like(omega), omega))

    def after_epoch(self, means: Tensor) -> None:
        self._fall(means)
        self.last.copy_(self.seen / self.steps.clamp_min(1))
        self.seen.zero_()
        self.steps.zero_()


class SegMiF(_Descent):
    """0.4 b_1 / m and 0.8 b_2: a preference by hand, and b = 2 softmax(r / T).

    r are the ratios of the last two steps' losses. T is 1000, so b is 1 but
    for a few thousandths, and the preference is all there is; it moves to
    segmentation with every round, m = 2..7.

    Args:
        round_epochs: epochs of a round. Inferred: SegMiF's first round knows
            fusion alone, which here is stage I; the others are that many
            epochs of stage II each, and the seventh lasts to the end. 16 is a
            seventh of SSVIF's 110 epochs.
        temperature: T.

    Source: SegMiF, released code, which takes b = 1 in its first eleven or so
    steps; here it is 1 in the first two of stage II.
    """

    def __init__(self, round_epochs: int = 16, temperature: float = 1000.0):
        super().__init__()
        if not isinstance(round_epochs, int) or round_epochs < 1:
            raise FusionError(f"round_epochs is 1 or more, not {round_epochs!r}.")
        self.round_epochs, self.temperature = round_epochs, _temperature(temperature)
        self.register_buffer("epochs", torch.tensor(0))

    def forward(self, norms: Tensor | None = None) -> Tensor:
        m = (2 + self.epochs // self.round_epochs).clamp_max(7)
        preference = torch.stack((0.4 / m, torch.full_like(m, 0.8, dtype=torch.float32)))
        return preference * 2 * torch.softmax(self.rates / self.temperature, 0)

    def after_step(self, losses: Tensor) -> None:
        self._fall(losses)

    def after_epoch(self, means: Tensor) -> None:
        self.epochs += 1


WEIGHTINGS: dict[str, type[Weighting]] = {
    "gdwa": GDWA,
    "fixed": Fixed,
    "ucw": UCW,
    "dwa": DWA,
    "segmif": SegMiF,
}


def create_weighting(name: str, **options) -> Weighting:
    """A weighting at its beginning, by its name in `WEIGHTINGS`.

    options: what its class takes. Raises FusionError for an unknown name.
    """
    if name not in WEIGHTINGS:
        raise FusionError(
            f"There is no weighting {name!r}; the weightings are {', '.join(WEIGHTINGS)}."
        )
    return WEIGHTINGS[name](**options)


def _temperature(value: float) -> float:
    if not as_factor("temperature", value):
        raise FusionError("temperature is above 0: the rates are divided by it.")
    return float(value)
