"""Plain training: one network, one objective, Adam."""

from torch import Tensor

from fusionlib.training.loop import Training


class PlainTraining(Training):
    """Fuse a batch, compare with its sources, step down the gradient."""

    def learn(self, ir: Tensor, vi: Tensor) -> dict[str, Tensor]:
        with self.autocast():
            fused = self.model(ir, vi)
        terms = self.spec.loss(fused, ir, vi)
        self.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        self.optimiser.step()
        return terms
