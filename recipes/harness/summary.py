"""The rows of a table, from the results of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sennit.recipes.command_line import Options
from sennit.recipes.harness.bootstrap import interval, replicates
from sennit.recipes.harness.recipe import Recipe
from sennit.recipes.harness.table import TableRow

_ORDER = (
    "single",
    "early",
    "intermediate",
    "late",
    "decision",
    "sharing",
    "search",
    "reference",
    "ablation",
)
_BASELINE = "concat"


def summarise(
    recipe: Recipe[Any],
    config: Options,
    jobs: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> list[TableRow]:
    """Return a row for each method, protocol and task, grouped by stage."""
    groups: dict[tuple[str, str | None, str], list[int]] = {}
    for i, job in enumerate(jobs):
        groups.setdefault((job["row"], recipe.ablation(job), job["protocol"]), []).append(i)
    replicated = {
        (key, task): _replicates([jobs[i] for i in members], [results[i] for i in members], task)
        for key, members in groups.items()
        for task in recipe.metrics(config)
    }
    rows = []
    for (row, ablation, protocol), members in groups.items():
        of_method = [results[i] for i in members]
        for task, metric in recipe.metrics(config).items():
            scores = [r["tasks"][task]["score"] for r in of_method if task in r["tasks"]]
            if not scores:
                continue
            values = replicated[(row, ablation, protocol), task]
            plain = replicated.get(((_BASELINE, None, protocol), task))
            baseline = [results[i] for i in groups.get((_BASELINE, None, protocol), [])]
            gain = None
            if values is not None and plain is not None and row != _BASELINE:
                reached = float(np.mean([r["tasks"][task]["score"] for r in baseline]))
                gain = [float(np.mean(scores)) - reached, *interval(values - plain)]
            rows.append(
                TableRow(
                    name=ablation or row,
                    stage=recipe.stage(config, row),
                    default=row == recipe.declared(config) and ablation is None,
                    protocol=protocol,
                    task=task,
                    metric=metric,
                    mean=float(np.mean(scores)),
                    std=float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0,
                    scores=scores,
                    ablation=ablation is not None,
                    interval=None if values is None else interval(values),
                    difference=gain,
                    seconds=sum(r.get("seconds", 0.0) for r in of_method),
                )
            )
    return sorted(rows, key=lambda r: _ORDER.index(r.group))


def waiting(results: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Return the share of the training time spent waiting for data: over all jobs, and in the worst."""
    shares = [(r["waiting"], r["seconds"]) for r in results if "waiting" in r]
    if not shares:
        return None
    return sum(w * s for w, s in shares) / sum(s for _, s in shares), max(w for w, _ in shares)


def _replicates(
    jobs: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]], task: str
) -> np.ndarray | None:
    """Return the replicates of a method's accuracy, folds of a seed joined; None for other metrics."""
    if any("correct" not in r["tasks"].get(task, {}) for r in results):
        return None
    correct: dict[int, list[int]] = {}
    units: dict[int, list[int]] = {}
    for job, result in zip(jobs, results, strict=True):
        correct.setdefault(job["seed"], []).extend(result["tasks"][task]["correct"])
        units.setdefault(job["seed"], []).extend(result["units"])
    return replicates([np.array(c) for c in correct.values()], [np.array(u) for u in units.values()])
