"""Remarks about names that are nearly the same, and about ids that rows share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.schema.target_class import ClassTarget
from sennit.recipes.table.schema.target_multilabel import MultiLabelTarget


def alike_notes(schema: Schema) -> list[str]:
    """Return a sentence for each column of names, some of which differ in capitals or in their encoding only.

    Args:
        schema: Complete schema.
    """
    notes = []
    for column, names in _names(schema):
        by_form: dict[str, list[str]] = {}
        for name in names:
            by_form.setdefault(_form(name), []).append(name)
        alike = [same for same in by_form.values() if len(same) > 1]
        if alike:
            shown = ", ".join(ascii(name) if not name.isascii() else f"'{name}'" for name in alike[0])
            others = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
            notes.append(
                f"'{column}' has names that differ in capitals, spaces or encoding only: {shown}{others}. "
                f"Each counts as another; write one for what is the same."
            )
    return notes


def shared_id_notes(rows: Rows, schema: Schema) -> list[str]:
    """Return a sentence where several rows have the same id.

    Args:
        rows: Table.
        schema: Complete schema.
    """
    if schema.id is None or schema.id not in rows.columns:
        return []
    counts = Counter(text for text in rows.texts(schema.id) if text is not None)
    shared = [(text, count) for text, count in counts.items() if count > 1]
    if not shared:
        return []
    return [
        f"{sum(count for _, count in shared)} rows share their id in '{schema.id}' with others, such as "
        f"'{shared[0][0]}' ({shared[0][1]} rows): the row's number names each answer. If they belong "
        f"together, split by group."
    ]


def _form(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _names(schema: Schema) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each column of names with the names."""
    for spec in schema.inputs.values():
        if isinstance(spec, TableInput):
            yield from ((column, names or ()) for column, names in spec.categories.items())
    for target in schema.targets.values():
        if isinstance(target, ClassTarget):
            yield target.column, target.classes or ()
        elif isinstance(target, MultiLabelTarget):
            yield target.column_names[0], target.labels or ()
