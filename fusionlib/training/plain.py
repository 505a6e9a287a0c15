"""Plain training: one network, one objective, Adam."""

from torch import Tensor

from fusionlib.training.loop import Training


class PlainTraining(Training):
    """Fuse a batch, compare with its sources, step down the gradient."""

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        parts = []
        self.optimiser.zero_grad(set_to_none=True)
        for ir, vi in shards:
            with self.autocast():
                fused = self.model(ir, vi)
            terms = self.spec.loss(fused, ir, vi)
            (terms["total"] / self.spec.shards).backward()
            parts.append(terms)
        terms = self.together([self.model], parts)
        self.optimiser.step()
        return terms
