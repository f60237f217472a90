"""The base of tasks that learn an embedding from the classes of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.tasks._base import Task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metrics.nearest import nearest_is_of_class

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class EmbeddingTask(Task):
    """An embedding whose loss compares the labelled samples of one batch on one rank.

    A batch should hold several samples of each of several classes. Predictions are embeddings of length 1.

    A subclass defines `compare`.

    Args:
        size: Size of the embedding.
        options: Options of every task; see `Task`.

    Raises:
        ValueError: The size is below 1.
    """

    batchwise = True

    def __init__(self, size: int, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        if size < 1:
            raise ValueError(f"`size` should be 1 or more. Found {size}.")
        self.out_dim, self.target = size, TargetSpec((), torch.long)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(output.device.type, enabled=False):
            same = target[:, None] == target
            positive = same & ~torch.eye(len(target), dtype=torch.bool, device=target.device)
            return self.compare(output.float(), positive, ~same).float()

    def compare(self, output: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the loss of each sample as an anchor.

        Args:
            output: Embeddings as the head gives them, in float32.
            positive: Whether another sample is of the anchor's class.
            negative: Whether a sample is of another class.

        Shape:
            output ``[B, size]``, positive and negative ``[B, B]`` (anchor, other), result ``[B]``.
        """
        raise NotImplementedError

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


def squared_distances(x: Tensor) -> Tensor:
    """Return the squared distances of all pairs of rows ``[B, B]``, in float64 and 0 or more."""
    x = x.double()
    squares = x.square().sum(1)
    return (squares[:, None] + squares - 2 * x @ x.T).clamp(min=0)


def mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean of the chosen values of each row, zero for a row without one.

    Shape:
        both ``[B, B]``, result ``[B]``.
    """
    return values.where(chosen, 0).sum(1) / chosen.sum(1).clamp_min(1)
