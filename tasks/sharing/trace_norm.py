"""Soft parameter sharing by low rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sennit.registry import unknown_name
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._soft import Soft

UNFOLDINGS = ("last", "tucker", "tensor_train")


@register_sharing("trace_norm")
class TraceNorm(Soft):
    """A network for each task; the weights of each layer, stacked over the tasks, are drawn to low rank.

    The loss gains ``strength · Σ_layers ‖W‖_*``, where W stacks a layer's matrix or filters of all tasks
    along a last axis (biases and norms, which are vectors, are left free). The trace norm of that tensor
    is the sum of the singular values of its unfoldings: of the last axis alone (how few networks would
    serve all tasks), of every axis (Tucker), or of the first i axes against the rest, for each i (tensor
    train). The penalty is part of every step, so that it also moves the network of a task without a label
    in the batch.

    Where singular values are zero, as those of equal networks, the gradient is the subgradient
    ``U Vᵀ`` of the others.

    Source: Yang & Hospedales, "Trace Norm Regularised Deep Multi-Task Learning", ICLR 2017 workshop
    (all γ equal to 1).

    Args:
        strength: Weight of the penalty.
        unfolding: ``"last"``, ``"tucker"`` or ``"tensor_train"``.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task.

    Raises:
        ValueError: ``strength`` is below 0, or the unfolding is unknown.

    Example:
        >>> same = torch.eye(2).expand(9, 2, 2)  # nine tasks, one matrix of norm √2
        >>> TraceNorm().distance(same).div(2 ** 0.5)
        tensor(3.)
    """

    def __init__(
        self,
        *,
        strength: float = 1e-3,
        unfolding: str = "last",
        trunk: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(strength, trunk)
        if unfolding not in UNFOLDINGS:
            raise unknown_name("unfolding", unfolding, UNFOLDINGS)
        self.unfolding = unfolding

    def distance(self, stacked: Tensor) -> Tensor | None:
        if stacked.dim() < 3:
            return None
        tensor = stacked.movedim(0, -1)
        axes = range(tensor.dim())
        if self.unfolding == "last":
            matrices = [tensor.flatten(0, -2)]
        elif self.unfolding == "tucker":
            matrices = [tensor.movedim(axis, 0).flatten(1) for axis in axes]
        else:
            matrices = [tensor.flatten(axis).flatten(0, axis - 1) for axis in axes[1:]]
        return torch.stack([trace_norm(matrix) for matrix in matrices]).sum()


def trace_norm(matrix: Tensor) -> Tensor:
    """Return the sum of the singular values, with a gradient that stays finite where some are zero.

    ``U Vᵀ = M (MᵀM)^{-1/2}``, from the eigenvectors of the smaller Gramian, in float64: a penalty over
    networks has one short side, the tasks.

    Shape:
        ``[m, n]`` to a scalar.

    Example:
        >>> trace_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
        tensor(7.)
    """
    with torch.no_grad():
        wide = matrix.shape[0] < matrix.shape[1]
        m = (matrix.T if wide else matrix).double()
        squares, vectors = torch.linalg.eigh(m.T @ m)
        values = squares.clamp(min=0).sqrt()
        inverse = torch.where(values > 1e-6 * values.max(), 1 / values, 0)
        direction = (m @ ((vectors * inverse) @ vectors.T)).to(matrix.dtype)
        direction = direction.T if wide else direction
    return torch.sum(matrix * direction)
