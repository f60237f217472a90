"""The model beside trainings on each input alone, and one that only concatenates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sennit.html_page import Grid, Heading, Text
from sennit.recipes.table.report.alone import train_beside
from sennit.recipes.table.report.intervals import gain_over, units_of
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scores import shown
from sennit.recipes.table.report.scoring import metrics_of

ABOUT = (
    "Each is one net with the settings of the model, on the rows that have its input: a member of the model, "
    "or trained anew. The difference is of the test rows that both answer, with its 95 % interval."
)


def beside_part(results: Results) -> Part:
    """Return the scores of a net on each input alone, and of one that concatenates them."""
    trained, notes = train_beside(results)
    texts = [Text(note) for note in notes]
    if not trained:
        return Part([Heading("Each input alone"), *texts] if texts else [])
    assert results.test is not None
    units, lines = units_of(results)[0], []
    figures: dict[str, dict[str, Any]] = {}
    for name in results.test.metrics:
        task, metric = results.model.tasks[name], results.schema.targets[name].monitored
        for other in trained:
            answers = other.answers[name]
            gain = gain_over(task, metric, results.test.answers[name], answers, units)
            score = metrics_of(task, answers.logits, answers).get(metric)
            count = int(answers.counted.reshape(len(answers.counted), -1).any(1).sum())
            figures.setdefault(name, {})[other.name] = {
                "score": score,
                "rows": count,
                "gain": None if gain is None else asdict(gain),
            }
            better = "" if gain is None else str(gain)
            lines.append([name, metric.replace("_", " "), other.name, shown(score), better, str(count)])
    grid = Grid(["target", "metric", "trained", "score", "this model is better by", "rows"], lines)
    return Part([Heading("Each input alone"), grid, Text(ABOUT), *texts], {"trained_beside": figures})
