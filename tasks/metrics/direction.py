"""The end at which metrics are best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torchmetrics is slow to import
    from torchmetrics import MetricCollection


def directions(metrics: MetricCollection) -> dict[str, str | None]:
    """Return the end at which each metric is best, ``"max"`` or ``"min"``; None where it does not say.

    Example:
        >>> from sennit.tasks import Regression
        >>> directions(Regression().metrics())
        {'mae': 'min', 'r2': 'max'}
    """
    ends = {True: "max", False: "min", None: None}
    return {str(name): ends[metric.higher_is_better] for name, metric in metrics.items()}


def leading_metric(metrics: MetricCollection, order: Sequence[str] = ()) -> str | None:
    """Return the first metric that is best at its largest, which stands for its task in a mean.

    Args:
        metrics: Metrics of the task.
        order: Names of the first ones; others follow in the order of the alphabet.
    """
    ends = directions(metrics)
    return next((name for name in (*order, *ends) if ends.get(name) == "max"), None)
