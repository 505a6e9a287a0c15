"""The gradients of both objectives of SSVIF, apart: their sizes, their angle.

GDWA weights the objectives by the sizes of their gradients over the fusion
model; section IV-F asks whether these point the same way. Each objective then
has a backward pass of its own, and their weighted sum needs no third.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class TaskGradients:
    """Gradients of L_fusion and of L_csc, from one graph.

    Args:
        fusion, csc: the losses, scalars, not views of one tensor: through that
            the backward pass of each would also go through the other's graph.
        shared: parameters that both reach, the fusion model's. One that a loss
            does not reach has gradient 0.
        own: parameters that L_csc alone reaches, of both segmentations.

    In place of a backward pass of their weighted sum:

        gradients = TaskGradients(fusion, csc, model.parameters(), own)
        gradients.add(weighting(gradients.norms))

    What the weighting itself learns (`UCW`) is not part of it: the backward
    pass of `weighting.total`, of detached losses, gives that.

    Source: SSVIF, section III-E and appendix C.
    """

    def __init__(
        self,
        fusion: Tensor,
        csc: Tensor,
        shared: Iterable[nn.Parameter],
        own: Iterable[nn.Parameter] = (),
    ):
        self.shared, self.own = list(shared), list(own)
        of_fusion = torch.autograd.grad(
            fusion, self.shared, retain_graph=True, materialize_grads=True
        )
        of_csc = torch.autograd.grad(csc, self.shared + self.own, materialize_grads=True)
        self.of_own = of_csc[len(self.shared) :]
        # A row each: g_fusion and g_csc, (2, number of shared weights).
        self.rows = torch.stack([_flat(of_fusion), _flat(of_csc[: len(self.shared)])])

    @property
    def norms(self) -> Tensor:
        """g_fusion and g_csc over the shared parameters, (2,)."""
        # g_k of section III-E
        return self.rows.norm(dim=1)

    @property
    def projection(self) -> Tensor:
        """alpha_cf, how much of g_fusion is in g_csc; below 0 they conflict.

        0 where g_fusion is 0.
        """
        # Eq. 8
        return self._dot / _above_0(self.rows[0].square().sum())

    @property
    def cosine(self) -> Tensor:
        """cos phi_cf of both gradients, in [-1, 1]; 0 where one of them is 0."""
        # Eq. 9
        return self._dot / _above_0(self.norms.prod())

    def add(self, weights: Tensor) -> None:
        """Add the gradient of lambda_fusion L_fusion + lambda_csc L_csc to `.grad`.

        That is what the backward pass of that sum would do, as often as it is
        called.

        weights: (2,), lambda_fusion and lambda_csc; no gradient passes.
        """
        weights = weights.detach()
        joint = (weights @ self.rows).split([weight.numel() for weight in self.shared])
        _add(self.shared, [part.view_as(w) for part, w in zip(joint, self.shared, strict=True)])
        _add(self.own, [weights[1] * part for part in self.of_own])

    @property
    def _dot(self) -> Tensor:
        return self.rows[0] @ self.rows[1]


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _above_0(value: Tensor) -> Tensor:
    return value.clamp_min(torch.finfo(value.dtype).tiny)


def _add(parameters: list[nn.Parameter], gradients: Sequence[Tensor]) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if parameter.grad is None:
            # In the parameter's own order in memory, as a backward pass leaves it: a fused
            # optimiser goes through both as they lie, and would mix up what lies differently.
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad += gradient
