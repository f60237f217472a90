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
Answers = dict[int, tuple[np.ndarray, np.ndarray]]
"""Correctness and unit of each test sample, by seed."""


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
    answered = {
        (key, task): _answers([jobs[i] for i in members], [results[i] for i in members], task)
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
            answers = answered[(row, ablation, protocol), task]
            plain = answered.get(((_BASELINE, None, protocol), task))
            compared = _on_shared(answers, plain) if answers and plain and row != _BASELINE else None
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
                    interval=interval(_replicates(answers)) if answers else None,
                    difference=_difference(*compared) if compared else None,
                    compared=_size(compared[0]) if compared else None,
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


def _answers(
    jobs: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]], task: str
) -> Answers | None:
    """Return the answers of a method, folds of a seed joined; None for a metric that is no accuracy."""
    if any("correct" not in r["tasks"].get(task, {}) for r in results):
        return None
    correct: dict[int, list[int]] = {}
    units: dict[int, list[int]] = {}
    for job, result in zip(jobs, results, strict=True):
        correct.setdefault(job["seed"], []).extend(result["tasks"][task]["correct"])
        units.setdefault(job["seed"], []).extend(result["units"])
    return {seed: (np.array(marks), np.array(units[seed])) for seed, marks in correct.items()}


def _on_shared(ours: Answers, plain: Answers) -> tuple[Answers, Answers] | None:
    """Return the answers of two methods to the samples that both answered; None if there is none.

    Methods may have been tested on other samples, such as an input alone on the rows that have it.
    """
    pairs: tuple[Answers, Answers] = ({}, {})
    for seed in ours.keys() & plain.keys():
        (a, of_a), (b, of_b) = ours[seed], plain[seed]
        in_b, in_a = np.isin(of_a, of_b), np.isin(of_b, of_a)
        a, b, units = a[in_b], b[in_a], of_a[in_b]
        if not np.array_equal(units, of_b[in_a]):
            return None
        both = (a >= 0) & (b >= 0)
        if not both.any():
            return None
        for side, marks in zip(pairs, (a, b), strict=True):
            side[seed] = marks[both], units[both]
    return pairs if pairs[0] else None


def _difference(ours: Answers, plain: Answers) -> list[float]:
    """Return the mean difference of two accuracies on the same samples, with its paired interval."""
    gains = [ours[seed][0].mean() - plain[seed][0].mean() for seed in ours]
    return [float(np.mean(gains)), *interval(_replicates(ours) - _replicates(plain))]


def _size(answers: Answers) -> int:
    """Return the number of samples of a seed."""
    return round(sum(len(marks) for marks, _ in answers.values()) / len(answers))


def _replicates(answers: Answers) -> np.ndarray:
    return replicates(*zip(*answers.values(), strict=True))
