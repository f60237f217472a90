"""Baselines without any input: the commonest class, or the mean, of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import Target
from sennit.tasks import Evaluation


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
    """Return a sentence if the kept epoch is no better than an answer without any input.

    Args:
        schema: Complete schema.
        rows: Rows and their subsets.
        monitor: Monitored value, such as ``val/price/r2``; of ``val/mean`` nothing is said.
        best: Its best value.
    """
    if monitor is None or best is None or isinstance(rows, Shards):
        return None
    if monitor == "val/mean":
        return None
    _, name, metric = monitor.split("/", 2)
    target = schema.targets[name]
    train, true = (_labels(target, rows, subset) for subset in ("train", "validation"))
    if metric == "mae":  # in standard deviations, as while training
        scale = np.where(np.nanstd(train, 0) > 0, np.nanstd(train, 0), 1)
        train, true = train / scale, true / scale
    plain = _metrics(target, train, true, ~np.isnan(true))[metric]
    if (best < plain) if metric == "mae" else (best > plain):
        return None
    fix = " Try `weights: balanced` and `metric: f1_macro` of this target." if target.kind == "class" else ""
    return (
        f"The kept epoch is no better than no input: {monitor} is {best:.4g}, and {plain:.4g} without.{fix}"
    )


def _labels(target: Target, rows: Rows, subset: str) -> np.ndarray:
    column: Any = target.read(rows)
    return np.array([column[i] for i in rows.subsets[subset] if column[i] is not None], dtype=np.float64)


def _metrics(target: Target, train: np.ndarray, true: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    if target.kind == "class":
        commonest = float(np.bincount(train.astype(np.int64)).argmax())
        accuracy = float((true[mask] == commonest).mean())
        scored = len({*true[mask].tolist(), commonest})  # the mean is over the classes that occur
        return {"accuracy": accuracy, "f1_macro": 2 * accuracy / (1 + accuracy) / scored, "auroc": 0.5}
    if target.kind == "multilabel":
        return {"accuracy": float((true == (np.nanmean(train, 0) > 0.5))[mask].mean()), "auroc": 0.5}
    return {"mae": float(np.abs(true - np.nanmean(train, 0))[mask].mean()), "r2": 0.0}
