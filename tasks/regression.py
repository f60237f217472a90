"""One or several numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from encoders.collate import TargetSpec
from tasks._base import Task, register_task

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("regression")
class Regression(Task):
    """One or several numbers; the loss is the squared error of each.

    Under a decision fusion the prediction is the mean of the present candidates' outputs: a rule of
    probabilities does not apply to numbers.

    Args:
        size: How many numbers a sample has.
        reads: The modalities that the task may see; None for all.

    Shape:
        output ``[B, size]``, target ``[B, size]``, loss ``[B, size]``.

    Example:
        >>> import torch
        >>> Regression(2).loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
        tensor([[1., 4.]])
    """

    kind = "regression"
    gaussian = True

    def __init__(self, size: int = 1, *, reads: tuple[str, ...] | None = None) -> None:
        super().__init__(reads=reads)
        self.out_dim = size
        self.target = TargetSpec((size,))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.float() - target.float()).square()

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanAbsoluteError, MetricCollection, R2Score

        return MetricCollection({"r2": R2Score(), "mae": MeanAbsoluteError()})

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """R², the mean over the numbers; samples count that are labelled throughout."""
        rows = labelled.flatten(1).all(1) if labelled.dim() > 1 else labelled
        output, target = output.float()[rows], target.float()[rows]
        error, spread = (output - target).square().sum(0), (target - target.mean(0)).square().sum(0)
        return float((1 - error / spread).mean())

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float()

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [{"value": row} for row in logits.float().tolist()]
