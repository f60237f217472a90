"""Intervals of the scores on the test rows, and of the differences between models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.resampled import resampled
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scoring import metrics_of, sign_of
from sennit.tasks import Ordinal, Task
from sennit.tasks.metrics import Answers

_FEWEST_UNITS = 5


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval.

    Example:
        >>> str(Interval(0.5, 0.25, 0.75))
        '0.500 [0.250, 0.750]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = ".3f" if max(abs(self.low), abs(self.high)) < 10 else ".4g"
        return f"{self.value:{digits}} [{self.low:{digits}}, {self.high:{digits}}]"


@dataclass(frozen=True)
class Scored:
    """Score of the model for one target, and how far it is above others.

    Attributes:
        metric: Metric of the target.
        score: Score of the model.
        gains: Difference to each other model, by its name; above 0 this one is better, for an error too.
    """

    metric: str
    score: Interval
    gains: Mapping[str, Interval]


def units_of(results: Results) -> tuple[NDArray[np.int64], str]:
    """Return the unit that each test row is drawn with, and a name of the units: rows, or groups."""
    assert results.test is not None
    count, rows, split = len(results.test.index), results.rows, results.schema.split
    column = getattr(split, "column" if split.by == "group" else "group", None)
    if not isinstance(rows, Rows) or column is None:
        return np.arange(count), f"{count} rows"
    names = rows.texts(column)
    groups = [names[i] or f"row {i}" for i in rows.subsets["test"]]
    unit = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    several = int(unit.max()) + 1
    if several < _FEWEST_UNITS:
        return np.arange(count), f"{count} rows, as the test has only {several} different '{column}'"
    return unit, f"{several} different '{column}'"


def intervals(
    results: Results, others: Mapping[str, Mapping[str, Tensor]], units: NDArray[np.int64]
) -> dict[str, Scored]:
    """Return, by target, the score of its own metric with intervals; not of metrics without an interval.

    Args:
        results: Results of the run, with test rows.
        others: Outputs of other models for the test rows, by model and target.
        units: Unit of each test row.
    """
    assert results.test is not None
    scored: dict[str, Scored] = {}
    for name, metrics in results.test.metrics.items():
        metric, task = results.schema.targets[name].monitored, results.model.tasks[name]
        answers = results.test.answers[name]
        of_model = _draws(task, metric, answers.logits, answers, units)
        if of_model is None:
            continue
        gains: dict[str, Interval] = {}
        for other, outputs in others.items():
            if name in outputs:
                gain = gain_over(task, metric, answers, replace(answers, logits=outputs[name]), units)
                gains |= {} if gain is None else {other: gain}
        scored[name] = Scored(metric, _interval(metrics[metric], of_model), gains)
    return scored


def gain_over(
    task: Task, metric: str, answers: Answers, other: Answers, units: NDArray[np.int64]
) -> Interval | None:
    """Return how much better some answers are than others to the same rows, by the rows that both answer.

    Args:
        task: Task.
        metric: Name of its metric.
        answers: Answers.
        other: Other answers to the same rows.
        units: Unit of each row.

    Returns:
        The difference with its interval, above 0 where the first are better, for an error too; None where
        the metric has no interval.
    """
    both = replace(answers, readable=answers.readable & other.readable)
    draws, others = (_draws(task, metric, x.logits, both, units) for x in (answers, other))
    if draws is None or others is None:
        return None
    value, less = (metrics_of(task, x.logits, both)[metric] for x in (answers, other))
    sign = sign_of(task, metric)
    return _interval(sign * (value - less), sign * (draws - others))


def _draws(
    task: Task, metric: str, logits: Tensor, answers: Answers, units: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return a metric of some outputs under draws of the units; None where it has no interval."""
    scores, targets = task.scores(logits).double().flatten(1).numpy(), answers.targets.double().numpy()
    if targets.ndim > 1 and targets.shape != scores.shape:
        return None
    ranked = isinstance(task, Ordinal)
    draws = resampled(metric, scores, targets, answers.counted.numpy(), units, ranked=ranked)
    return None if draws is None or np.isnan(draws).all() else draws


def _interval(value: float, draws: NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
