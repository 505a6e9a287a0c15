"""RegionFuse's Mixture of Region Attention: region tokens, a router, experts that are masks.

A token is one channel of one region of R x R pixels. A router sends each token
to K of E experts. All experts share one set of queries, keys and values, and
have no weights of their own: an expert is who may look at whom.

A reconstruction: the authors' code is not public. What is stated, drawn and
inferred is told apart in the docstrings.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlib.errors import FusionError
from fusionlib.models.attention import attend

MASKS = "inside", "drawn"


def split(x: Tensor, side: int) -> Tensor:
    """Region tokens (B, N, R^2) of maps (B, C, H, W), H and W multiples of R.

    N = C H/R W/R: channel by channel, then row by row of regions.
    """
    regions = x.unflatten(3, (-1, side)).unflatten(2, (-1, side))  # (B, C, rows, R, columns, R)
    return regions.transpose(3, 4).flatten(4, 5).flatten(1, 3)


def merge(tokens: Tensor, channels: int, height: int, width: int) -> Tensor:
    """The maps (B, C, H, W) that `split` made tokens of."""
    side = round(tokens.shape[2] ** 0.5)
    shape = -1, channels, height // side, width // side, side, side
    return tokens.view(shape).transpose(3, 4).reshape(-1, channels, height, width)


@dataclass(frozen=True)
class Routing:
    """Where a router sent the tokens of a batch.

    probabilities: softmax of the scores, (B, N, E).
    chosen: whether a token goes to an expert, bool (B, N, E), K in each row.
    weights: of the chosen experts' answers, 0 of the others, (B, N, E).
    scores: what the softmax saw, (B, N, E).
    clean: the scores before the noise, (B, N, E).
    noise: its standard deviation, (B, N, E); None where none was added.
    """

    probabilities: Tensor
    chosen: Tensor
    weights: Tensor
    scores: Tensor
    clean: Tensor
    noise: Tensor | None


class Router(nn.Module):
    """Pixel-distribution-aware router: tokens (B, N, R^2) -> `Routing`.

    Args:
        pixels: R^2.
        experts: E.
        chosen: K, of them for each token.
        hidden: width of both two-layer networks. Inferred: 96.
        renormalised: whether the weights of a token's experts are divided by
            their sum. Inferred: the figure says "weighted average".
        scaled: whether tokens are divided by R before they are scored, as
            attention's scores are. Inferred: a token's R^2 pixels are much
            alike, and without it one step of Adam moves a score by R^2 times
            its rate.
        calm: the bias that the noise's network begins with: a deviation of
            softplus(calm). Inferred: -3, which is 0.05. Where it begins at 0
            the load loss is cheapest to lower by more noise, and tokens are
            sent by chance.

    One network scores a token for each expert; another says how much Gaussian
    noise is added, which only training does (inferred).

    Source: RegionFuse, overview figure (b): MLP + softplus(MLP) x noise,
    softmax, top-K. Inferred: ReLU between the layers.

    Raises FusionError for K above E.
    """

    def __init__(
        self,
        pixels: int,
        experts: int,
        chosen: int,
        hidden: int = 96,
        renormalised: bool = True,
        scaled: bool = True,
        calm: float = -3.0,
    ):
        super().__init__()
        if not 0 < chosen <= experts:
            raise FusionError(
                f"A token goes to 1 to {experts} of {experts} experts, not to {chosen}."
            )
        self.chosen, self.renormalised = chosen, renormalised
        self.divisor = pixels**0.5 if scaled else 1.0
        self.score, self.spread = (
            nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, experts))
            for _ in range(2)
        )
        nn.init.constant_(self.spread[-1].bias, calm)

    def forward(self, tokens: Tensor) -> Routing:
        tokens = tokens / self.divisor
        clean, noise = self.score(tokens).float(), None
        scores = clean
        if self.training:
            noise = F.softplus(self.spread(tokens).float())
            scores = clean + noise * torch.randn_like(noise)
        probabilities = scores.softmax(-1)
        # Of the scores: probabilities that underflow are alike.
        best = scores.topk(self.chosen, -1).indices
        chosen = torch.zeros_like(probabilities, dtype=torch.bool).scatter_(-1, best, True)
        weights = probabilities * chosen
        if self.renormalised:
            weights = weights / weights.sum(-1, keepdim=True)
        return Routing(probabilities, chosen, weights, scores, clean, noise)


class RegionAttention(nn.Module):
    """MoRA: (B, C, H, W) -> the same; H and W are multiples of R.

    Args:
        channels: C.
        region: R, the side of a region in pixels.
        experts: E.
        chosen: K.
        hidden: of the router.
        renormalised, scaled, calm: see `Router`.
        masks: "inside", the default: an expert's tokens attend to each other
            and to no others; they are gathered, so that for an even load their
            attention costs (K / E)^2 of that of all. "drawn" multiplies the
            scores by the mask before the softmax, as the figure has it: tokens
            outside then keep a score of 0 and with it some weight. For small
            sizes.

    `routing` is what the router last did.

    Source: RegionFuse, overview figure (b). Inferred: scores are divided by R,
    and the layers have no bias.
    """

    def __init__(
        self,
        channels: int,
        region: int,
        experts: int = 4,
        chosen: int = 2,
        hidden: int = 96,
        renormalised: bool = True,
        masks: str = "inside",
        scaled: bool = True,
        calm: float = -3.0,
    ):
        super().__init__()
        if masks not in MASKS:
            raise FusionError(f"masks is {' or '.join(MASKS)}, not {masks!r}.")
        self.region, self.masks = region, masks
        self.copies = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        around = {"padding": 1, "groups": 3 * channels, "bias": False}
        self.around = nn.Conv2d(3 * channels, 3 * channels, 3, **around)
        self.router = Router(region**2, experts, chosen, hidden, renormalised, scaled, calm)
        self.leave = nn.Conv2d(channels, channels, 1, bias=False)
        self.routing: Routing | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.routing = self.router(split(x, self.region))
        q, k, v = (split(part, self.region) for part in self.around(self.copies(x)).chunk(3, 1))
        answer = attend_inside if self.masks == "inside" else attend_drawn
        return self.leave(merge(answer(q, k, v, self.routing), *x.shape[1:]))


def attend_inside(q: Tensor, k: Tensor, v: Tensor, routing: Routing) -> Tensor:
    """Each expert's own tokens attend to each other; their answers are averaged.

    q, k, v: (B, N, R^2). Returns the same shape. An expert without tokens
    answers nothing.
    """
    weights = routing.weights.to(v.dtype)
    found = []
    for image in range(len(q)):
        answers = torch.zeros_like(v[image])
        for expert in range(weights.shape[2]):
            # Gathering instead of masking: no score of tokens of two experts is ever made.
            (own,) = routing.chosen[image, :, expert].nonzero(as_tuple=True)
            if not len(own):
                continue
            parts = (part[image, own][None, None] for part in (q, k, v))
            seen = attend(*parts)[0, 0]
            answers = answers.index_add(0, own, seen * weights[image, own, expert, None])
        found.append(answers)
    return torch.stack(found)


def attend_dense(q: Tensor, k: Tensor, v: Tensor, routing: Routing) -> Tensor:
    """What `attend_inside` computes, with all N x N scores in memory: to compare with."""
    scores = q @ k.mT * q.shape[2] ** -0.5
    answers = torch.zeros_like(v)
    for expert in range(routing.weights.shape[2]):
        own = routing.chosen[..., expert]
        mask = own[:, :, None] & own[:, None, :]
        # A row without a member is NaN, and nobody weighs it.
        seen = scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num() @ v
        answers = answers + seen * routing.weights[..., expert, None].to(v.dtype)
    return answers


def attend_drawn(q: Tensor, k: Tensor, v: Tensor, routing: Routing) -> Tensor:
    """The figure to the letter: scores times M_e = c_e c_e^T, then the softmax."""
    scores = q @ k.mT * q.shape[2] ** -0.5
    answers = torch.zeros_like(v)
    for expert in range(routing.weights.shape[2]):
        own = routing.chosen[..., expert].to(scores.dtype)
        seen = (scores * own[:, :, None] * own[:, None, :]).softmax(-1) @ v
        answers = answers + seen * routing.weights[..., expert, None].to(v.dtype)
    return answers
