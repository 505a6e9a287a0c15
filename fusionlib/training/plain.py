"""Plain training: one network, one objective, Adam."""

from torch import Tensor

from fusionlib.training.loop import Training


class PlainTraining(Training):
    """Fuse a batch, compare with its sources, step down the gradient."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.terms_of = self.quicker(self._terms_of)

    def _terms_of(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        with self.autocast():
            fused = self.model(ir, vi)
        return self.spec.loss(fused, ir, vi)

    def learn(self, shards: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        parts = []
        self.optimiser.zero_grad(set_to_none=True)
        for ir, vi in shards:
            terms = self.terms_of(ir, vi)
            (terms["total"] / self.spec.shards).backward()
            parts.append(terms)
        terms = self.together([self.model], parts)
        self.optimiser.step()
        return terms
