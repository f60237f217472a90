"""Tasks whose features are pushed to be orthogonal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.tasks.sharing._base import check_strength, register_sharing
from sennit.tasks.sharing._own_stacks import OwnStacks


@register_sharing("soft_orthogonality")
class SoftOrthogonality(OwnStacks):
    """Layers of each task whose features are pulled apart: their Gram matrix is drawn to the identity.

    With the features of the T active tasks of a sample, scaled to length one, as the rows of F, the penalty
    is ``strength / (T (T − 1)) · ‖F Fᵀ − I‖_F²``, the mean squared cosine between two tasks, averaged over
    samples. It is the other reading of a deep relationship network, beside `TensorNormal`.

    Where T is larger than the size of the features D, ``‖F Fᵀ‖_F = ‖Fᵀ F‖_F`` avoids the T × T matrix. The
    identity is then out of reach, and the minimum of the norm is ``T²/D − T``.

    The tasks split at the fused vector, not at the features that the heads read, so no balancing works with
    it.

    Source: Bansal et al., "Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?",
    NeurIPS 2018 (soft orthogonality, there of weights); Welch, "Lower Bounds on the Maximum
    Cross Correlation of Signals", IEEE Trans. Inf. Theory 1974.

    Args:
        stack: Layers of each task, as `build_stack` reads it; an ``mlp`` of one block by default.
        strength: Weight of the penalty.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``strength`` is below 0, or an unknown stack.

    Example:
        >>> sharing = SoftOrthogonality(strength=1.0)
        >>> sharing.bind(("a", "b"), 2, {})
        >>> sharing.penalty_of([{"a": torch.tensor([[1.0, 0.0]]), "b": torch.tensor([[3.0, 0.0]])}])
        tensor(1.)
    """

    def __init__(self, *, stack: Mapping[str, Any] | None = None, strength: float = 0.1) -> None:
        super().__init__(stack)
        check_strength("strength", strength)
        self.strength = strength

    def penalty_of(self, features: Sequence[Mapping[str, Tensor]]) -> Tensor | None:
        distances = [gram_distances(list(by_task.values())) for by_task in features if len(by_task) > 1]
        return self.strength * torch.cat(distances).mean() if distances else None


def gram_distances(features: Sequence[Tensor]) -> Tensor:
    """Return ``‖F Fᵀ − I‖_F² / (T (T − 1))`` for each sample, from the features of two or more tasks.

    Shape:
        Each ``[..., D]``, result ``[N]``.
    """
    f = F.normalize(torch.stack([x.float() for x in features], -2).flatten(0, -3), dim=-1)
    count, size = f.shape[-2:]
    if count <= size:
        eye = torch.eye(count, dtype=f.dtype, device=f.device)
        squares = (f @ f.mT - eye).square().sum((-2, -1))
    else:  # ‖G − I‖² = ‖G‖² − 2 tr G + T
        squares = (f.mT @ f).square().sum((-2, -1)) - 2 * f.square().sum((-2, -1)) + count
    return squares / (count * (count - 1))
