"""The gain of learning tasks together, in one number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sennit.registry import unknown_name

if TYPE_CHECKING:
    from torchmetrics import Metric


def delta_m(
    scores: Mapping[str, float], baselines: Mapping[str, float], metrics: Mapping[str, Metric]
) -> float:
    """Return the mean relative gain over single-task baselines, in per cent; above zero is better.

    ``Δ_m = 100/T · Σ_t (−1)^{l_t} (M_t − B_t) / B_t`` with ``l_t = 1`` where a lower value of task t's
    metric is better, which the metric itself says. Baselines should have had the same budget.

    Source: Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019 (§4); the sign as in
    Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey", 2021 (§4.1).

    Args:
        scores: Values M by task, under multi-task learning.
        baselines: Values B by task, each learned alone.
        metrics: Metrics of these values by task: each one of ``task.metrics()``.

    Raises:
        ValueError: The tasks of the three differ, there is none, a value is not finite, a baseline is not
            above zero (a relative gain over it has no meaning), or a metric does not say which way is better.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> tasks = {"digit": Classification(10), "speed": Regression()}
        >>> metrics = {t: tasks[t].metrics()[m] for t, m in (("digit", "accuracy"), ("speed", "mae"))}
        >>> gain = delta_m({"digit": 0.88, "speed": 1.9}, {"digit": 0.8, "speed": 2.0}, metrics)
        >>> round(gain, 6)  # 10 % more accurate, 5 % less error
        7.5
    """
    if not scores:
        raise ValueError("`scores` should hold at least one task. Found none.")
    for given in (baselines, metrics):
        for name in scores.keys() ^ given.keys():
            raise unknown_name("task", name, scores if name in given else given)
    return 100 / len(scores) * sum(_gain(t, scores[t], baselines[t], metrics[t]) for t in scores)


def _gain(task: str, score: float, baseline: float, metric: Metric) -> float:
    if not math.isfinite(score) or not 0 < baseline < math.inf:
        raise ValueError(
            f"a score should be finite, and a baseline more than 0, for a relative gain. Found {score} "
            f"and {baseline} of '{task}'. Use another metric of the task, such as its error."
        )
    if metric.higher_is_better is None:
        raise ValueError(
            f"the metric of a task should say which way is better. Found `higher_is_better` None in "
            f"{type(metric).__name__}, of '{task}'. Set it in the class."
        )
    gain = (score - baseline) / baseline
    return gain if metric.higher_is_better else -gain
