"""Remarks about blank cells, classes without rows, and columns that give the answer away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sennit.data.names import Names
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.schema.targets import ClassTarget, OrdinalTarget
from sennit.recipes.table.schema.twins import twin_reason

_ENOUGH = 5000  # training rows that are looked at


def missing_notes(rows: Rows, schema: Schema) -> list[str]:
    """Return a sentence about the cells that a missing word makes blank, if there are any."""
    declared = {c: names for _, c, names in _categories(schema)}
    declared |= {t.column: t.classes or [] for t in schema.targets.values() if isinstance(t, ClassTarget)}
    counts = []
    for column in dict.fromkeys([*schema.input_columns, *schema.target_columns]):
        if column not in rows.columns:
            continue
        texts = [cell for cell in rows.cells(column) if isinstance(cell, str)]
        missing = {text for text in {*texts} if text.strip() in rows.missing}
        words = Counter(text.strip() for text in texts if text in missing)
        counts += [
            f"'{word}' in '{column}' ({count})"
            for word, count in words.items()
            if word not in declared.get(column, ())
        ]
    if not counts:
        return []
    return [f"Counted as blank: {', '.join(counts)}. The schema's key `missing` sets these words."]


def unseen_notes(rows: Rows, schema: Schema) -> list[str]:
    """Return a sentence for each column of categories with values that the schema does not have."""
    notes = []
    for spec, column, names in _categories(schema):
        if spec.unseen != "missing" or column not in rows.columns:
            continue
        choices = rows.choices(column, Names(names), unseen="missing")
        texts = rows.texts(column)
        places = [i for i, text in enumerate(texts) if text is not None and choices[i] is None]
        if places:
            notes.append(
                f"{len(places)} cells of '{column}' hold values that no training row has, such as "
                f"'{texts[places[0]]}' in row {rows.row_numbers[places[0]]}: they count as blank."
            )
    return notes


def untrained_notes(rows: Rows, schema: Schema, train: Sequence[int]) -> list[str]:
    """Return a sentence for each class target with classes that no training row has."""
    notes = []
    for name, target in schema.targets.items():
        if isinstance(target, ClassTarget):
            labels = target.read(rows)
            present = {labels[i] for i in train}
            absent = [c for k, c in enumerate(target.classes or []) if k not in present]
            if absent:
                notes.append(
                    f"{name}: no training row has the class {', '.join(absent[:8])}, so it is never "
                    f"predicted."
                )
    return notes


def one_class_notes(rows: Rows, schema: Schema, subsets: Mapping[str, Sequence[int]]) -> list[str]:
    """Return a sentence for each target of classes of which a validation or test part has one only."""
    notes = []
    for name, target in schema.targets.items():
        if not isinstance(target, (ClassTarget, OrdinalTarget)):
            continue
        labels = target.read(rows)
        for subset in ("validation", "test"):
            classes = {labels[i] for i in subsets[subset]} - {None}
            if len(classes) == 1:
                only = (target.classes or [])[classes.pop()]
                notes.append(
                    f"{name}: every {subset} row with a label is '{only}', so that its figures say little. "
                    f"Split otherwise."
                )
    return notes


def twin_notes(rows: Rows, schema: Schema, train: Sequence[int]) -> list[str]:
    """Return a sentence for each input column that gives a target away, by the first training rows."""
    part = rows.take(train[:_ENOUGH])
    targets = [ColumnContents.of(part, column) for column in schema.target_columns]
    notes = []
    for spec in schema.inputs.values():
        for column in () if spec.file else spec.column_names:
            contents = ColumnContents.of(part, column)
            reason = next((why for t in targets if (why := twin_reason(contents, t)) is not None), None)
            if reason is not None:
                notes.append(
                    f"Input '{column}' seems to give the answer away, as {reason}. Leave it out, unless new "
                    f"rows will have it."
                )
    return notes


def _categories(schema: Schema) -> list[tuple[TableInput, str, list[str]]]:
    tables = [spec for spec in schema.inputs.values() if isinstance(spec, TableInput)]
    return [(table, c, names or []) for table in tables for c, names in table.categories.items()]
