"""The scores of the test rows, beside those of simpler models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from sennit.html_page import Block, Grid, Heading, Text
from sennit.recipes.table.report.baselines import baselines
from sennit.recipes.table.report.intervals import Scored
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scoring import metrics_of

PLAIN = "without any input"
_ROUNDING = 1e-6  # of metrics in single precision


def scores(
    results: Results,
    others: Mapping[str, Mapping[str, Tensor]],
    scored: Mapping[str, Scored],
    units: str,
    notes: Sequence[str],
) -> Part:
    """Return the table of scores, and that of intervals.

    Args:
        results: Results of the run.
        others: Outputs of other models for the test rows, by model and target.
        scored: Intervals by target, as `intervals` returns them.
        units: Name of the things that are drawn for the intervals.
        notes: Remarks about the other models.
    """
    test = results.test
    if test is None:
        reason = Text("The split leaves no test rows, so that nothing here tells how good the answers are.")
        return Part([Heading("Scores"), reason], {"test": None, "not_scored": None, "without_any_input": {}})
    plain = baselines(results.schema, results.rows, test)
    compared = {
        other: {n: metrics_of(results.model.tasks[n], x, test.answers[n]) for n, x in outputs.items()}
        for other, outputs in others.items()
    }
    figures: dict[str, Any] = {
        "test": {name: finite(values) for name, values in test.metrics.items()},
        "not_scored": dict(test.excluded),
        "without_any_input": plain,
        "beside": {m: {n: finite(v) for n, v in values.items()} for m, values in compared.items()},
        "intervals": {"drawn": units, **{name: asdict(value) for name, value in scored.items()}},
    }
    if not test.metrics:
        return Part([Heading("Scores"), Text("No test row has a label.")], figures)
    blocks: list[Block] = [Heading("Scores of the test rows"), _grid(results, {**compared, PLAIN: plain})]
    if scored:
        blocks += [_interval_grid(scored), Text(_about_intervals(units))]
    return Part([*blocks, *map(Text, notes)], figures)


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics with None for those that too few rows leave undefined.

    Example:
        >>> finite({"auroc": float("nan")})
        {'auroc': None}
    """
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _grid(results: Results, compared: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Grid:
    """Return a line for each target and metric; the metric that chose the epoch is marked."""
    assert results.test is not None
    lines: list[list[str]] = []
    marked = set()
    for name, metrics in results.test.metrics.items():
        counted = results.test.answers[name].counted
        labelled = str(int(counted.reshape(len(counted), -1).any(1).sum()))
        for metric, value in metrics.items():
            if metric == results.schema.targets[name].monitored:
                marked.add(len(lines))
            beside = [shown(values.get(name, {}).get(metric)) for values in compared.values()]
            lines.append([name, metric.replace("_", " "), shown(value), *beside, labelled])
    return Grid(["target", "metric", "this model", *compared, "labelled rows"], lines, frozenset(marked))


def _interval_grid(scored: Mapping[str, Scored]) -> Grid:
    others = list(dict.fromkeys(other for value in scored.values() for other in value.gains))
    lines = [
        [
            name,
            value.metric.replace("_", " "),
            str(value.score),
            *[str(value.gains[other]) if other in value.gains else "" for other in others],
        ]
        for name, value in scored.items()
    ]
    return Grid(["target", "metric", "this model", *[f"better than {other} by" for other in others]], lines)


def _about_intervals(units: str) -> str:
    return (
        f"In brackets: 95 % intervals by the bootstrap over {units}; a difference is of the same rows. One "
        f"training is behind them: another seed may differ by more."
    )


def shown(value: float | None) -> str:
    """Return a figure as text; nothing where it is undefined.

    Example:
        >>> shown(0.12345), shown(None), shown(float("nan"))
        ('0.1235', '', '')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{value:.4g}" if abs(value) > _ROUNDING else "0"
