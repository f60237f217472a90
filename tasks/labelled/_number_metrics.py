"""Metrics of numbers by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchmetrics import Metric, MetricCollection

from sennit.tasks.metrics.by_label import R2, MeanByLabel, mean_absolute_error, root_mean_squared_error


def number_metrics(names: Sequence[str]) -> MetricCollection:
    """Return the metrics of numbers.

    Args:
        names: Names of the metrics.
    """
    makers: dict[str, Callable[[], Metric]] = {
        "r2": R2,
        "mae": lambda: MeanByLabel(mean_absolute_error),
        "rmse": lambda: MeanByLabel(root_mean_squared_error),
    }
    return MetricCollection({name: makers[name]() for name in names}, compute_groups=False)
