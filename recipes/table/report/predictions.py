"""The answers for the test rows, beside their labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from sennit.recipes.table.answers import answer_columns, write_columns
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.row_names import Columns, row_columns
from sennit.tasks import Evaluation


def write_predictions(path: Path, results: Results, test: Evaluation) -> None:
    """Write a line for each test row: its number, id and files, and the label and answer of each target.

    The labels of a table stand as its cells have them; the answers are those that new rows would get.

    Args:
        path: CSV file.
        results: Results of the run.
        test: Evaluation of its test rows.
    """
    schema, rows = results.schema, results.rows
    positions = rows.subsets["test"] if isinstance(rows, Rows) else None
    columns: Columns = {"row": test.index.tolist()}
    if isinstance(rows, Rows) and positions is not None:
        columns = row_columns(schema, rows, positions)
    for name, target in schema.targets.items():
        if isinstance(rows, Rows) and positions is not None:
            for column in target.column_names:
                cells, blank = rows.cells(column), rows.blank(column)
                columns[column] = ["" if blank[i] else _cell(cells[i], target) for i in positions]
        else:
            columns |= _labels(name, target, results, test)
        predicted = results.model.tasks[name].predict(test.answers[name].logits)
        answers = [{name: results.decisions[name].answer(answer)} for answer in predicted]
        for key, cells in answer_columns(replace(schema, targets={name: target}), answers).items():
            answer = key in (name, *target.column_names)
            columns[f"{key}_predicted" if answer else key] = cells
    write_columns(path, columns)


def _cell(cell: Any, target: Any) -> Any:
    """Return a cell as it stands; a list of labels with their separator."""
    return getattr(target, "separator", "|").join(map(str, cell)) if isinstance(cell, list) else cell


def _labels(name: str, target: Any, results: Results, test: Evaluation) -> Columns:
    """Return the labels of samples that are no rows of a table."""
    answers, task = test.answers[name], cast(Any, results.model.tasks[name])
    labels = list(zip(answers.targets.tolist(), answers.labelled.tolist(), strict=True))
    if target.kind in ("class", "ordinal"):
        return {name: [task.classes[y] if labelled else "" for y, labelled in labels]}
    if target.kind == "multilabel":
        names = [[n for n, y in zip(task.labels, flags, strict=True) if y] for flags, _ in labels]
        texts = [target.separator.join(true) for true in names]
        return {name: [text if any(mask) else "" for text, (_, mask) in zip(texts, labels, strict=True)]}
    if target.kind != "number":
        return {name: [y if labelled else "" for y, labelled in labels]}
    return {
        column: [values[j] if mask[j] else "" for values, mask in labels]
        for j, column in enumerate(target.column_names)
    }
