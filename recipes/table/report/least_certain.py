"""Test rows of which the model is least certain, and those with the largest errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sennit.html_page import Block, Grid, Heading, Text
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.decided import choices, probabilities, truth
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.row_names import row_columns, row_text

_MOST = 8


def least_certain_part(results: Results) -> Part:
    """Return the least certain answers of classes and labels, and the largest errors of numbers."""
    rows, test = results.rows, results.test
    if test is None or not isinstance(rows, Rows) or len(rows.subsets["test"]) != len(test.index):
        return Part()
    blocks: list[Block] = []
    figures: dict[str, Any] = {}
    for name, target in results.schema.targets.items():
        if name not in test.metrics or target.kind not in ("class", "ordinal", "multilabel", "number"):
            continue
        for title, places, header, cells in _of_target(results, name):
            positions = [rows.subsets["test"][i] for i in places]
            named = row_columns(results.schema, rows, positions)
            lines = [[*row_text(named, k), *cells(i)] for k, i in enumerate(places)]
            blocks += [Text(title), Grid([*named, *header], lines)]
            figures[name] = [dict(zip([*named, *header], line, strict=True)) for line in lines]
    return Part([Heading("Rows to look at"), *blocks] if blocks else [], {"rows_to_look_at": figures})


def _of_target(results: Results, name: str) -> Any:
    """Yield a title, the places of test rows, a header and the function that gives the cells of a row."""
    target: Any = results.schema.targets[name]
    true, counted = truth(results, name)
    if target.kind == "number":
        yield from _errors(results, name, target, true, counted)
        return
    p, chosen = probabilities(results, name, calibrated=True), choices(results, name)
    task: Any = results.model.tasks[name]
    if target.kind in ("class", "ordinal"):
        answered = np.take_along_axis(p, chosen[:, None], 1)[:, 0]

        def of_class(i: int) -> list[str]:
            label = task.classes[true[i]] if counted[i] else ""
            return [label, task.classes[chosen[i]], f"{answered[i]:.2f}"]

        title = f"{name}: the least certain answers."
        yield title, _first(answered), [f"true {name}", "answer", "probability"], of_class
        return
    doubt = np.abs(p - 0.5).min(1)

    def of_labels(i: int) -> list[str]:
        label = int(np.abs(p[i] - 0.5).argmin())
        state = ("not true", "true")[int(true[i, label] > 0.5)] if counted[i, label] else ""
        return [task.labels[label], state, f"{p[i, label]:.2f}"]

    yield f"{name}: the least certain answers.", _first(doubt), ["label", "is", "probability"], of_labels


def _errors(results: Results, name: str, target: Any, true: NDArray[Any], counted: NDArray[np.bool_]) -> Any:
    assert results.test is not None
    predicted = results.test.answers[name].scores.numpy()
    if predicted.shape != true.shape:
        return
    for k, column in enumerate(target.columns):
        error = np.where(counted[:, k], np.abs(predicted[:, k] - true[:, k]), -np.inf)
        places = [i for i in _first(-error) if np.isfinite(error[i])]

        def of_number(i: int, k: int = k) -> list[str]:
            return [f"{true[i, k]:.6g}", f"{predicted[i, k]:.6g}"]

        yield f"{column}: the largest errors.", places, [f"true {column}", "answer"], of_number


def _first(values: NDArray[Any]) -> list[int]:
    """Return the places of the smallest values, the smallest first."""
    return [int(i) for i in np.argsort(values, kind="stable")[:_MOST]]
