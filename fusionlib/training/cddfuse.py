"""CDDFuse's training: sources come back first, then they are fused."""

import torch
from torch import Tensor, nn

from fusionlib.training.loop import Training

# One table holds the history of both phases.
TERMS = (
    "reconstruction_ir",
    "reconstruction_vi",
    "vi_gradient",
    "intensity",
    "gradient",
    "decomposition",
    "total",
)


class CDDFuseTraining(Training):
    """Two phases over one set of weights, as `CDDFuseLoss` divides the steps.

    Published are 120 epochs, of which 40 are the first phase, and a learning
    rate halved every 20; a training of fewer steps keeps these shares. The
    four networks (encoder, decoder, two fusion layers) have an optimiser each
    in the released code. Adam moves every weight by itself, so here they are
    four groups of one.

    The history holds the terms of both phases: those of the other phase are 0.
    """

    def adam(self, network: nn.Module) -> torch.optim.Optimizer:
        self.networks = [
            network.encoder, network.decoder, network.base_fusion, network.detail_fusion
        ]  # fmt: skip
        groups = [{"params": list(part.parameters())} for part in self.networks]
        return torch.optim.Adam(groups, lr=self.spec.lr, fused=True)

    @property
    def turns(self) -> tuple[int, ...]:
        return (self.spec.loss.turn(self.spec.total_steps),)

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        loss, parts, (turn,) = self.spec.loss, [], self.turns
        terms_of = self.first_terms if self.step < turn else self.second_terms
        networks = self.networks[:2] if self.step < turn else self.networks
        self.optimiser.zero_grad(set_to_none=True)
        for ir, vi in shards:
            parts.append(terms_of(ir, vi))
            (parts[-1]["total"] / self.spec.shards).backward()
        terms = self.together(networks, parts)
        for network in networks:
            nn.utils.clip_grad_norm_(network.parameters(), loss.clip)
        # The rate follows from the step alone, so that a checkpoint needs no schedule.
        for group, began in zip(self.optimiser.param_groups, (0, 0, turn, turn)):
            group["lr"] = loss.rate(self.spec.lr, self.step, self.spec.total_steps, began)
        self.optimiser.step()
        zero = torch.zeros_like(terms["total"])
        return {name: terms.get(name, zero) for name in TERMS}

    def first_terms(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """Both sources through encoder and decoder, each for itself."""
        both = torch.cat((ir, vi))
        with self.autocast():
            base, detail = self.model.encode(both)
            again = self.model.decode((base, detail, both))
        return self.spec.loss.first(again.chunk(2), (ir, vi), base.chunk(2), detail.chunk(2))

    def second_terms(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """Both sources through everything, to one image."""
        with self.autocast():
            base, detail = (part.chunk(2) for part in self.model.encode(torch.cat((ir, vi))))
            joined = self.model.join((base[0], detail[0]), (base[1], detail[1]))
            fused = self.model.decode((*joined, vi))
        return self.spec.loss.second(fused, (ir, vi), base, detail)
