"""An embedding trained with all pairs of a batch against all their negatives."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._embedding import EmbeddingTask, mean_over, squared_distances


@register_task("lifted_structure")
class LiftedStructure(EmbeddingTask):
    """An embedding in which each pair of a class is nearer than both are to all other classes, by a margin.

    For samples i and j of a class, with distances D and negatives k of i and l of j:
    ``J = log(Σ_k e^{m − D_ik} + Σ_l e^{m − D_jl}) + D_ij``, and the pair costs ``max(0, J)² / 2``. A sample's
    loss is the mean over its pairs, zero without one or without a negative. Embeddings have length 1.
    Source: Song et al. 2016, "Deep Metric Learning via Lifted Structured Feature Embedding" (eq. 4).

    Args:
        size: Size of the embedding.
        margin: Margin m, on the scale of distances, which are from 0 to 2.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B]`` (class indices), loss ``[B]``.

    Raises:
        ValueError: The size is below 1, or the margin is not above 0.

    Example:
        >>> task = LiftedStructure(2, margin=1.0)
        >>> task.loss(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0, 0, 1]))
        tensor([1.0405, 1.0405, 0.0000])
    """

    kind = "lifted_structure"

    def __init__(self, size: int = 128, *, margin: float = 1.0, **options: Unpack[TaskOptions]) -> None:
        super().__init__(size, **options)
        if not 0 < margin < math.inf:
            raise ValueError(f"`margin` should be more than 0. Found {margin}.")
        self.margin = margin

    def compare(self, output: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        # The root of zero has no gradient.
        square = squared_distances(self.scores(output))
        distance = square.where(square > 0, 1.0).sqrt().where(square > 0, 0.0)
        has = negative.any(1)
        near = (self.margin - distance).where(negative, -torch.inf)
        near = near.where(has[:, None], 0.0).logsumexp(1).where(has, -torch.inf)
        both = has[:, None] & has
        pair = torch.logaddexp(near[:, None].where(both, 0.0), near.where(both, 0.0)) + distance
        return mean_over(pair.clamp(min=0).square() / 2, positive & both)
