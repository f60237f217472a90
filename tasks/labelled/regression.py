"""One or several numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.number_transform import NumberTransform

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

NUMBER_METRICS = ("r2", "mae", "rmse")
"""Names of the metrics of numbers."""
_LOSSES = ("squared", "absolute", "huber")


@register_task("regression")
class Regression(Task):
    """One or several numbers, of which any may be unknown; the loss is the squared error of each.

    Metrics are means over the numbers, each over the samples in which it is known.

    Under a decision fusion the prediction is the mean of the present candidates' outputs: a rule of
    probabilities does not apply to numbers.

    Args:
        size: Number of values of a sample.
        objective: ``"squared"``, ``"absolute"``, or ``"huber"``: ``e²`` up to a distance of ``delta``, and
            ``delta (2 |e| − delta)`` beyond (Huber 1964, "Robust Estimation of a Location Parameter").
        delta: Distance at which the loss of Huber becomes linear, on the scale of the outputs.
        metrics: Names of the metrics: ``"r2"``, ``"mae"``, ``"rmse"``.
        transforms: Transform of each number, in whose values the head answers and the loss is taken; answers
            and metrics are in units of the target. None: the head answers in these units.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B, size]``, loss ``[B, size]``.

    Example:
        >>> Regression(2).loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
        tensor([[1., 4.]])
    """

    kind = "regression"

    def __init__(
        self,
        size: int = 1,
        *,
        objective: str = "squared",
        delta: float = 1.0,
        metrics: Sequence[str] = ("mae", "r2"),
        transforms: Sequence[Mapping[str, Any]] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        check_names("objective", [objective], _LOSSES)
        check_names("metric", metrics, NUMBER_METRICS)
        if delta <= 0:
            raise ValueError(f"`delta` should be above 0. Found {delta}.")
        self.out_dim, self.objective, self.delta = size, objective, delta
        self.metric_names = tuple(metrics)
        self.transforms = transforms_of(transforms, size)
        self.target = TargetSpec((size,))

    @property
    def gaussian(self) -> bool:  # type: ignore[override]
        """Whether the loss is a squared error."""
        return self.objective == "squared"

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        target = transformed(self.transforms, target)
        if self.objective == "squared":
            return (output.float() - target).square()
        if self.objective == "absolute":
            return (output.float() - target).abs()
        return 2 * F.huber_loss(output.float(), target, reduction="none", delta=self.delta)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the squared error of each sample, averaged over its numbers."""
        return (student.float() - teacher.detach().float()).square().mean(-1)

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return self.scores(output.detach())

    def output_for(self, target: Tensor) -> Tensor:
        """Return the output that stands for the numbers."""
        return transformed(self.transforms, target)

    def metrics(self) -> MetricCollection:
        from sennit.tasks.labelled._number_metrics import number_metrics

        return number_metrics(self.metric_names)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        metrics.update(self.scores(logits), unknown_as_nan(target, labelled))

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the mean R² over the outputs."""
        from sennit.tasks.metrics.by_label import mean_by_label, r2

        return float(mean_by_label(r2, self.scores(output), unknown_as_nan(target, labelled)))

    def scores(self, logits: Tensor) -> Tensor:
        return restored(self.transforms, logits.float())

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [{"value": row} for row in self.scores(logits).tolist()]


def transforms_of(raw: Sequence[Mapping[str, Any]] | None, size: int) -> tuple[NumberTransform, ...]:
    """Return the transforms of the numbers; none where none is given.

    Raises:
        ValueError: There are transforms for another number of values.
    """
    if raw is None:
        return ()
    if len(raw) != size:
        raise ValueError(f"`transforms` should hold one for each of {size} numbers. Found {len(raw)}.")
    return tuple(map(NumberTransform.of, raw))


def transformed(transforms: Sequence[NumberTransform], target: Tensor) -> Tensor:
    """Return targets in the values of the transforms, in single precision.

    Shape:
        ``[B, size]`` to the same.
    """
    if not transforms:
        return target.float()
    return torch.stack([t(y) for t, y in zip(transforms, target.unbind(-1), strict=True)], -1).float()


def restored(transforms: Sequence[NumberTransform], output: Tensor) -> Tensor:
    """Return outputs in the units of the target; the inverse of `transformed`.

    Shape:
        ``[B, size]`` to the same.
    """
    if not transforms:
        return output
    values = [t.inverse(z) for t, z in zip(transforms, output.unbind(-1), strict=True)]
    return torch.stack(values, -1).float()


def unknown_as_nan(target: Tensor, labelled: Tensor) -> Tensor:
    """Return targets with NaN in the place of those without a label."""
    labels = labelled if labelled.dim() == target.dim() else labelled[:, None].expand_as(target)
    return target.masked_fill(~labels, float("nan"))
