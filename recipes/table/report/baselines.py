"""Baselines without any input: the commonest class, or the mean, of the training rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import Target
from sennit.tasks import Classification, Evaluation, QuantileRegression, Survival, Task
from sennit.tasks.metrics.direction import directions, leading_metric

_TOLERANCE = 1e-6  # of metrics in single precision


def baselines(schema: Schema, rows: Rows | Shards, test: Evaluation) -> dict[str, Mapping[str, float]]:
    """Return the metrics of the test rows that ignore the inputs."""
    result: dict[str, Mapping[str, float]] = {}
    for name, target in schema.targets.items():
        if isinstance(rows, Rows) and name in test.metrics:
            answers = test.answers[name]
            true, mask = answers.targets.numpy(), answers.counted.numpy()
            result[name] = _metrics(target, _labels(target, rows, "train"), true, mask)
    return result


def no_better_note(
    schema: Schema, rows: Rows | Shards, monitor: str | None, best: float | None
) -> str | None:
    """Return a sentence if a model is no better on the validation rows than an answer without any input.

    Args:
        schema: Complete schema.
        rows: Rows and their subsets.
        monitor: Monitored value, such as ``val/price/r2``; of ``val/mean`` nothing is said.
        best: Its value of the model.
    """
    if monitor is None or best is None or isinstance(rows, Shards):
        return None
    plain, lower = _plain_value(schema, rows, monitor)
    better = plain - best if lower else best - plain
    if math.isnan(plain) or better > _TOLERANCE * abs(plain):
        return None
    name, _ = _monitored(schema, monitor)
    of_class = name is not None and schema.targets[name].kind == "class"
    fix = " Try `weights: balanced` and `metric: f1_macro` of this target." if of_class else ""
    values = f"{monitor} is {best:.4g}, and {plain:.4g} without"
    return f"On the validation rows the model is no better than no input: {values}.{fix}"


def _plain_value(schema: Schema, rows: Rows, monitor: str) -> tuple[float, bool]:
    """Return the monitored value without any input, and whether lower is better."""
    name, metric = _monitored(schema, monitor)
    if name is not None:
        ends = directions(schema.targets[name].make_task().metrics())
        return _validation_metrics(schema.targets[name], rows)[metric], ends[metric] == "min"
    values = []
    for target in schema.targets.values():
        task = target.make_task()
        leading = leading_metric(task.metrics(), task.metric_names)
        figures = _validation_metrics(target, rows)
        if leading is not None and not math.isnan(figures.get(leading, math.nan)):
            values.append(figures[leading])
    return (sum(values) / len(values) if values else math.nan), False


def _monitored(schema: Schema, monitor: str) -> tuple[str | None, str]:
    """Return the target and the metric of a monitored value; no target of a mean over several."""
    value, _, metric = monitor.removeprefix("val/").rpartition("/")
    return (value, metric) if value in schema.targets else (None, metric)


def _validation_metrics(target: Target, rows: Rows) -> dict[str, float]:
    """Return the metrics of the validation rows without any input; errors as they are while training."""
    train, true = (_labels(target, rows, subset) for subset in ("train", "validation"))
    if not len(true):
        return {}
    if target.scaled:  # in standard deviations
        scale = np.where(np.nanstd(train, 0) > 0, np.nanstd(train, 0), 1)
        train, true = train / scale, true / scale
    return _metrics(target, train, true, ~np.isnan(true))


def _labels(target: Target, rows: Rows, subset: str) -> np.ndarray:
    column: Any = target.read(rows)
    return np.array([column[i] for i in rows.subsets[subset] if column[i] is not None], dtype=np.float64)


def _metrics(target: Target, train: np.ndarray, true: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return the metrics of the one answer that fits the training labels best."""
    task = target.make_task()
    output = _constant_output(task, train).expand(len(true), -1)
    metrics, labels = task.metrics(), torch.from_numpy(true)
    labels = labels.long() if task.target is not None and task.target.classes else labels.float()
    task.update_metrics(metrics, output, labels, torch.from_numpy(mask))
    return {str(name): float(value) for name, value in metrics.compute().items()}


def _constant_output(task: Task, train: np.ndarray) -> Tensor:
    """Return the output ``[1, ...]`` of the shares of the classes, of means, quantiles or equal risks."""
    if isinstance(task, Survival):
        return torch.zeros(1, 1)
    if isinstance(task, QuantileRegression):
        quantiles = torch.from_numpy(np.nanquantile(train, task.quantiles, axis=0)).T
        if task.transforms:
            quantiles = torch.stack([t(q) for t, q in zip(task.transforms, quantiles, strict=True)])
        return quantiles.float().reshape(1, -1)
    if isinstance(task, Classification):
        shares = np.bincount(train.astype(np.int64), minlength=len(task.classes)) / len(train)
        return task.output_for(torch.from_numpy(shares)[None].float())
    return task.output_for(torch.from_numpy(np.nanmean(train, 0))[None].float())
