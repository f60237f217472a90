"""The targets of a table, guessed from names and contents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.twins import twin_reason

_TARGETS = ("target", "label", "labels", "class", "category", "y")
_MAX_CLASSES = 200  # of whole numbers in a column that is called a target
_MAX_NUMBERED = 20  # the same, where the name does not say so
_MANY = 10  # above which a value of a single row says that they are no classes


def target_columns(
    rows: Rows, columns: Mapping[str, ColumnContents], target: str | Sequence[str] | None
) -> list[ColumnContents]:
    """Return the columns to learn: those named, or those that are called like a target.

    Args:
        rows: Table.
        columns: Columns of the table.
        target: Name of a column, names between commas, or a list of names; None looks for usual names.

    Raises:
        ValueError: There is no such column, or none is called like a target.
    """
    if target is not None:
        listed = [target] if isinstance(target, str) and target in columns else target
        names = [name.strip() for name in listed.split(",")] if isinstance(listed, str) else list(listed)
        if "" in names:
            raise ValueError(f"the targets should be names, with a comma between two. Found '{target}'.")
        rows.check_columns(names, "the target")
        return [columns[name] for name in dict.fromkeys(names)]
    named = [column for name, column in columns.items() if name.lower() in _TARGETS]
    if not named:
        raise ValueError(
            f"one column should be the target. Found none called {', '.join(_TARGETS)} among "
            f"{', '.join(columns)}. Name one with --target, or several with commas between."
        )
    kept: list[ColumnContents] = []
    for column in sorted(named, key=ColumnContents.numeric):  # names before their numbers
        if all(twin_reason(column, other) is None for other in kept):
            kept.append(column)
    return kept


def guess_target(column: ColumnContents) -> tuple[dict[str, Any], str]:
    """Return a target as in a schema's file, and the reason.

    Raises:
        ValueError: The column is blank throughout, has one value only, another one in every row, or files.
    """
    name, values = column.name, column.distinct
    if column.values:
        return {"kind": "multilabel", "column": name}, _lists(column)
    if len(values) < 2:
        cells = f"Found '{values[0]}' in every row." if values else "Found blanks only."
        raise ValueError(f"column '{name}' should hold two different values or more to be a target. {cells}")
    most = _MAX_CLASSES if name.lower() in _TARGETS else _MAX_NUMBERED
    if column.numeric() and not (column.whole() and column.few(most)):
        return {"kind": "number", "columns": [name]}, "numbers"
    if column.written() and not column.few(_MAX_CLASSES):
        raise ValueError(
            f"column '{name}' should hold plain numbers, or names of classes. Found '{column.texts[0]}'. "
            f"Write numbers without signs such as '$', '%' and those between thousands."
        )
    if column.numeric() and len(values) > _MANY and most == _MAX_NUMBERED and _some_once(column):
        return {"kind": "number", "columns": [name]}, "whole numbers, of which some stand in one row only"
    for separator in "|;":
        labels = sorted({x.strip() for text in values for x in text.split(separator)} - {""})
        if any(separator in text for text in values):
            options = {"kind": "multilabel", "column": name, "separator": separator, "labels": labels}
            return options, f"{len(labels)} labels between '{separator}'"
    if column.distinct_throughout() and len(values) > _MAX_NUMBERED:
        raise ValueError(
            f"column '{name}' should hold values that rows share to be a target of classes. Found another "
            f"one in each of {len(values)} rows, such as '{values[0]}'. Name another target."
        )
    of = "; for a quantity, `kind: number`" if column.numeric() and len(values) > 2 else ""
    return {"kind": "class", "column": name, "classes": values}, f"{len(values)} classes{of}"


def _lists(column: ColumnContents) -> str:
    """Return the reason of a column of lists of labels; refuse files, mappings and lists of decimals."""
    cells = [cell if isinstance(cell, list) else [cell] for cell in column.values]
    no_label = next((x for cell in cells for x in cell if isinstance(x, (bytes, dict, list, float))), None)
    if no_label is not None:
        kind = {bytes: "files", float: "lists of decimals"}.get(type(no_label), "lists or mappings in lists")
        raise ValueError(
            f"column '{column.name}' should hold classes, lists of labels, or numbers to be a target. Found "
            f"{kind}. Give each number a column, and name another target."
        )
    return "lists of labels"


def _some_once(column: ColumnContents) -> bool:
    """Return whether one of the values is that of a single row."""
    return 1 in Counter(name for name in column.names if name is not None).values()
