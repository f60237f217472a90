"""An embedding in which samples lie nearer to their class than to others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metrics.nearest import nearest_is_of_class

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("triplet")
class Triplet(Task):
    """An embedding trained with the semi-hard triplets of each batch.

    Of all anchors a, positives p of the same class and negatives n of another, those count whose negative
    is farther than the positive by at most the margin m: ``ℓ = m + ‖a − p‖² − ‖a − n‖²``, with embeddings
    of length 1. A sample's loss is the mean over its triplets as anchor, and zero when it has none. They
    are of the labelled samples of one batch on one rank: a batch should hold several samples of each of
    several classes. No triplet is formed: of the negatives, sorted by distance, those that count for a
    positive are neighbours, and their sum is a difference of two sums, so that memory grows with ``B²``.
    Source: Schroff et al. 2015, "FaceNet: A Unified Embedding for Face Recognition and Clustering" (eq. 2,
    §3.2).

    Args:
        size: Size of the embedding.
        margin: Margin m, on the scale of squared distances, which are from 0 to 4.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B]`` (class indices), loss ``[B]``.

    Raises:
        ValueError: The size is below 1, or the margin is not above 0.

    Example:
        >>> task = Triplet(2, margin=1.0)
        >>> task.loss(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6]]), torch.tensor([0, 0, 1]))
        tensor([0.6000, 0.6000, 0.0000])
    """

    kind = "triplet"
    batchwise = True

    def __init__(self, size: int = 128, *, margin: float = 0.2, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        if size < 1:
            raise ValueError(f"`size` should be 1 or more. Found {size}.")
        if not 0 < margin < math.inf:
            raise ValueError(f"`margin` should be more than 0. Found {margin}.")
        self.out_dim, self.margin = size, margin
        self.target = TargetSpec((), torch.long)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(output.device.type, enabled=False):
            x = self.scores(output).double()  # sums of many distances
            distance = 2 - 2 * x @ x.T  # squared
            same = target[:, None] == target
            positive = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
            far = distance.masked_fill(same, torch.inf).detach()
            order = far.argsort(1)
            first = torch.searchsorted(far.gather(1, order), distance.detach(), right=True)
            end = torch.searchsorted(far.gather(1, order), distance.detach() + self.margin, right=True)
            count = (end - first).masked_fill(~positive, 0)
            sums = F.pad(distance.masked_fill(same, 0).gather(1, order).cumsum(1), (1, 0))
            negatives = sums.gather(1, end) - sums.gather(1, first)
            total = (count * (self.margin + distance) - negatives.where(positive, 0)).sum(1)
            return (total / count.sum(1).clamp_min(1)).float()

    def scores(self, logits: Tensor) -> Tensor:
        """Return the embeddings, scaled to length 1."""
        return F.normalize(logits.float(), dim=-1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.recall import RecallAt1

        return MetricCollection({"recall_at_1": RecallAt1()})

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the share of samples whose nearest neighbour is of their class (recall at 1)."""
        return float(nearest_is_of_class(self.scores(output)[labelled], target[labelled]))

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [{"embedding": row} for row in self.scores(logits).tolist()]
