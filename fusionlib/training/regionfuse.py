"""RegionFuse's training: routers are kept in balance in the first epochs, then let go."""

import torch
from torch import Tensor

from fusionlib.losses.load_balancing import load_balancing
from fusionlib.training.loop import Training


class RegionFuseTraining(Training):
    """The fusion loss, and in the first epochs the load-balancing loss as well.

    The history holds the fusion loss's terms, `load` (0 once it is dropped),
    and the share of the tokens of each expert, `expert_0` and so on, over all
    rounds: E of them, which add up to 1. `total` is what the step goes down.
    """

    watched = "intensity"  # the total loses a term on the way

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        parts = []
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
        shares = torch.stack([one.chosen.flatten(0, -2).float().mean(0) for one in routings]).mean(
            0
        )
        shares = shares / shares.sum()
        named = {f"expert_{k}": share for k, share in enumerate(shares)}
        return {**terms, **named, "total": total}
