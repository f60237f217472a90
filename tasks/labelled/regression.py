"""One or several numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from torch import Tensor

from sennit.data.target_spec import TargetSpec
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("regression")
class Regression(Task):
    """One or several numbers, of which any may be unknown; the loss is the squared error of each.

    Metrics are means over the numbers, each over the samples in which it is known.

    Under a decision fusion the prediction is the mean of the present candidates' outputs: a rule of
    probabilities does not apply to numbers.

    Args:
        size: Number of values of a sample.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B, size]``, loss ``[B, size]``.

    Example:
        >>> import torch
        >>> Regression(2).loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
        tensor([[1., 4.]])
    """

    kind = "regression"
    gaussian = True

    def __init__(self, size: int = 1, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        self.out_dim = size
        self.target = TargetSpec((size,))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.float() - target.float()).square()

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the squared error of each sample, averaged over its numbers."""
        return (student.float() - teacher.detach().float()).square().mean(-1)

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return output.detach().float()

    def output_for(self, target: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return target

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.by_label import R2, MeanByLabel, mean_absolute_error

        return MetricCollection({"r2": R2(), "mae": MeanByLabel(mean_absolute_error)}, compute_groups=False)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        metrics.update(self.scores(logits), _unknown_as_nan(target, labelled))

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the mean R² over the outputs."""
        from sennit.tasks.metrics.by_label import mean_by_label, r2

        return float(mean_by_label(r2, output, _unknown_as_nan(target, labelled)))

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float()

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [{"value": row} for row in logits.float().tolist()]


def _unknown_as_nan(target: Tensor, labelled: Tensor) -> Tensor:
    labels = labelled if labelled.dim() == target.dim() else labelled[:, None].expand_as(target)
    return target.masked_fill(~labels, float("nan"))
