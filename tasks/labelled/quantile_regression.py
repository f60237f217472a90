"""Quantiles of one or several numbers: intervals in the place of a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor

from sennit.data.target_spec import TargetSpec
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.regression import NUMBER_METRICS, transformed, transforms_of, unknown_as_nan

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

QUANTILE_METRICS = ("pinball", *NUMBER_METRICS)
"""Names of the metrics of quantiles; those of numbers are of the middle quantile."""


@register_task("quantile_regression")
class QuantileRegression(Task):
    """Quantiles of one or several numbers, of which any may be unknown.

    The loss of a number is the mean over its quantiles q of the pinball loss
    ``max(τ (y − q), (τ − 1) (y − q))``. Quantiles that cross are sorted in the answers.
    Source: Koenker & Bassett 1978, "Regression Quantiles"; the sorting, Chernozhukov et al. 2010, "Quantile
    and Probability Curves Without Crossing".

    Args:
        size: Number of values of a sample.
        quantiles: Levels τ, increasing. The answer's value is the middle one.
        metrics: Names of the metrics: ``"pinball"``, and ``"r2"``, ``"mae"``, ``"rmse"`` of the value.
        transforms: Transform of each number, as of `Regression`.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size · Q]``, the quantiles of a number side by side; target ``[B, size]``, loss
        ``[B, size]``.

    Raises:
        ValueError: The levels are not increasing and within 0 and 1.

    Example:
        >>> task = QuantileRegression(quantiles=[0.1, 0.5, 0.9])
        >>> task.predict(torch.tensor([[1.0, 2.0, 4.0]]))[0]
        {'value': [2.0], 'q0.1': [1.0], 'q0.5': [2.0], 'q0.9': [4.0]}
    """

    kind = "quantile_regression"

    def __init__(
        self,
        size: int = 1,
        *,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        metrics: Sequence[str] = ("mae", "pinball", "r2"),
        transforms: Sequence[Mapping[str, Any]] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        levels = list(quantiles)
        if not levels or levels != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1:
            raise ValueError(f"`quantiles` should increase between 0 and 1, both left out. Found {levels}.")
        check_names("metric", metrics, QUANTILE_METRICS)
        self.size, self.quantiles, self.metric_names = size, levels, tuple(metrics)
        self.middle = min(range(len(levels)), key=lambda k: abs(levels[k] - 0.5))
        self.transforms = transforms_of(transforms, size)
        self.out_dim = size * len(levels)
        self.target = TargetSpec((size,))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        from sennit.tasks.metrics.pinball import pinball

        levels = torch.tensor(self.quantiles, device=output.device)
        return pinball(self._by_number(output.float()), transformed(self.transforms, target), levels).mean(-1)

    def _by_number(self, output: Tensor) -> Tensor:
        return output.reshape(len(output), self.size, len(self.quantiles))

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the squared error of each sample, averaged over its quantiles."""
        return (student.float() - teacher.detach().float()).square().mean(-1)

    def intervals(self, logits: Tensor) -> Tensor:
        """Return the quantiles of each number, increasing, in units of the target.

        Shape:
            logits ``[B, size · Q]``, result ``[B, size, Q]``.
        """
        values = self._by_number(logits.float()).sort(-1).values
        if not self.transforms:
            return values
        parts = [t.inverse(z) for t, z in zip(self.transforms, values.unbind(1), strict=True)]
        return torch.stack(parts, 1).float()

    def metrics(self) -> MetricCollection:
        from torchmetrics import Metric, MetricCollection

        from sennit.tasks.labelled._number_metrics import number_metrics
        from sennit.tasks.metrics.pinball import Pinball

        of_value = number_metrics([name for name in self.metric_names if name != "pinball"])
        metrics: dict[str, Metric | MetricCollection] = {str(k): metric for k, metric in of_value.items()}
        if "pinball" in self.metric_names:
            metrics["pinball"] = Pinball(self.quantiles)
        return MetricCollection(metrics, compute_groups=False)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        target, quantiles = unknown_as_nan(target, labelled), self.intervals(logits)
        for name, metric in metrics.items():
            metric.update(quantiles if name == "pinball" else quantiles[..., self.middle], target)

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the mean R² of the middle quantiles."""
        from sennit.tasks.metrics.by_label import mean_by_label, r2

        return float(mean_by_label(r2, self.scores(output), unknown_as_nan(target, labelled)))

    def scores(self, logits: Tensor) -> Tensor:
        return self.intervals(logits)[..., self.middle]

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [
            {
                "value": [number[self.middle] for number in row],
                **{f"q{level:g}": [number[k] for number in row] for k, level in enumerate(self.quantiles)},
            }
            for row in self.intervals(logits).tolist()
        ]
