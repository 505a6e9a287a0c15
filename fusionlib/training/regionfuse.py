"""RegionFuse's training: routers are kept in balance in the first epochs, then let go."""

import torch
from torch import Tensor

from fusionlib.losses.load_balancing import load_balancing
from fusionlib.models.region_attention import Routing
from fusionlib.training.loop import Training


class RegionFuseTraining(Training):
    """The fusion loss, and in the first epochs the load-balancing loss as well.

    The history holds the fusion loss's terms and `load` (0 once it is dropped);
    of each round's router the share of the tokens of each expert,
    `round_1_expert_0` and so on, E of them, which add up to 1 (an expert of
    one round has nothing to do with that of another); and, as means over the
    rounds, the deviation over the experts of the scores before the noise,
    `clean`, and of the noise, `noise`. `total` is what the step goes down.
    """

    watched = "intensity"  # the total loses a term on the way

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        parts, loss = [], self.spec.loss
        if loss.fresh and self.step == loss.load_epochs * self.spec.steps_per_epoch:
            self.forget_routers()
        self.optimiser.zero_grad(set_to_none=True)
        for ir, vi in shards:
            parts.append(self.terms_of(ir, vi))
            (parts[-1]["total"] / self.spec.shards).backward()
        terms = self.together([self.model], parts)
        self.optimiser.step()
        return terms

    def terms_of(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        """The terms of a part of a batch."""
        loss = self.spec.loss
        with self.autocast():
            fused = self.model(ir, vi)
        terms = loss(fused, ir, vi)
        total, routings = terms.pop("total"), self.model.routings
        terms["load"] = torch.zeros_like(total)
        if self.step // self.spec.steps_per_epoch < loss.load_epochs:
            terms["load"] = torch.stack([load_balancing(one) for one in routings]).mean()
            # mu L_load, section 2.4
            total = total + loss.load * terms["load"]
        told = {
            f"round_{number}_expert_{k}": share
            for number, one in enumerate(routings, 1)
            for k, share in enumerate(shares_of(one))
        }
        told["clean"] = torch.stack([one.clean.std(-1).mean() for one in routings]).mean()
        told["noise"] = torch.stack([one.noise.mean() for one in routings]).mean()
        return {**terms, **told, "total": total}

    def forget_routers(self) -> None:
        """Let Adam begin anew with the routers' weights."""
        for block in self.model.blocks:
            for weight in block.attention.router.parameters():
                self.optimiser.state.pop(weight, None)


def shares_of(routing: Routing) -> Tensor:
    """The share of the tokens of each expert, (E,); they add up to 1."""
    counts = routing.chosen.flatten(0, -2).float().mean(0)
    return counts / counts.sum()
