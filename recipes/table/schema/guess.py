"""A first schema of a table, guessed from the names and contents of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from sennit.files import write_text
from sennit.recipes.media_files import file_kind, subset_of
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.guess_input import COUNTS, EACH_ANOTHER, guess_input
from sennit.recipes.table.schema.guess_split import guess_split
from sennit.recipes.table.schema.guess_target import guess_target, target_columns
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.twins import twin_reason

_ENOUGH = 50  # training rows by which to judge; else all rows are looked at
_FEW = 10  # different values, of which a category may be called like an id
_ID_NAME = re.compile(
    r"(?i:id|idx|index|key|uid|uuid|guid|row|nr|no)|.*[_ -](?i:id|key|uid|uuid|guid|no|nr|number)|.*I[dD]"
)


@dataclass(frozen=True)
class Guess:
    """A schema, and the reason for each column's place in it.

    Attributes:
        raw: Contents of the YAML file.
        reasons: Reason for each column.
    """

    raw: dict[str, Any]
    reasons: dict[str, str]

    @property
    def schema(self) -> Schema:
        return Schema.of(self.raw)


def guess_schema(rows: Rows, *, target: str | Sequence[str] | None = None) -> Guess:
    """Guess the meaning of every column.

    No target is an input of another, and no column that names a split, a group or the row is an input.

    Args:
        rows: Table.
        target: Column to learn, or several: names between commas, or a list; by default those called target,
            label, class, category or y.

    Raises:
        ValueError: No column looks like a target, or none like an input.
    """
    columns = {name: ColumnContents.of(rows, name) for name in rows.columns}
    targets = target_columns(rows, columns, target)
    names = [column.name for column in targets]
    split = guess_split(columns, names)
    twins = _twins(rows, columns, targets, split.raw.get("column") if split.raw["by"] == "column" else None)
    raw: dict[str, Any] = {"inputs": {}, "targets": {}, "split": split.raw}
    reasons: dict[str, str] = {}
    table: dict[str, Any] = {"kind": "table", "numbers": [], "categories": {}, "dates": {}}
    for name, column in columns.items():
        if name in names:
            raw["targets"][name], reasons[name] = guess_target(column)
        elif not column.texts and not column.values:
            reasons[name] = "left out: blank throughout"
        elif name in split.reasons:
            reasons[name] = split.reasons[name]
        elif name in twins:
            reasons[name] = f"left out: gives the answer away, as {twins[name]}"
        elif "id" not in raw and _names_rows(column):
            raw["id"], reasons[name] = name, "names the row in the answers; no input"
        elif _shares_ids(column):
            reasons[name] = (
                f"left out: an id that rows share, such as '{column.texts[0]}'; with `split: {{by: group, "
                f"column: {name}}}` those of one are in one part"
            )
        else:
            reasons[name] = guess_input(rows, column, raw["inputs"], table)
    alone = next((name for name in reasons if _tells_rows_apart(columns[name], reasons[name])), None)
    if "id" not in raw and alone is not None:
        raw["id"], reasons[alone] = alone, "the row's id: every row has another value; no input"
    raw["targets"] = {name: raw["targets"][name] for name in names}  # the first matters most
    if table["categories"]:
        table["unseen"] = "missing"  # a new row may hold a value of its own
    kept = {k: v for k, v in table.items() if v}
    if len(kept) > 1:
        raw["inputs"]["table" if "table" not in raw["inputs"] else "columns"] = kept
    if not raw["inputs"]:
        listed = "; ".join(f"{k}: {v}" for k, v in reasons.items())
        raise ValueError(f"'{rows.name}' should have a column that is an input. Found none ({listed}).")
    return Guess(raw, reasons)


def _twins(
    rows: Rows, columns: dict[str, ColumnContents], targets: list[ColumnContents], split: str | None
) -> dict[str, str]:
    """Return the reasons of the columns that give a target away, by training rows if they are declared."""
    train = [
        i for i, text in enumerate(columns[split].cells if split else ()) if subset_of(text or "") == "train"
    ]
    if len(train) >= _ENOUGH:
        part = rows.take(train)
        columns = {name: ColumnContents.of(part, name) for name in columns}
    reasons: dict[str, str] = {}
    for name, column in columns.items():
        for target in targets:
            reason = twin_reason(column, columns[target.name]) if column not in targets else None
            if reason is not None:
                reasons.setdefault(name, reason)
    return reasons


def _names_rows(column: ColumnContents) -> bool:
    """Return whether a column has a value of its own in each row, and is called like an id."""
    return (
        column.distinct_throughout()
        and _ID_NAME.fullmatch(column.name.strip()) is not None
        and (
            column.whole()
            if column.numeric()
            else all(" " not in t and file_kind(t) is None for t in column.texts)
        )
    )


def _shares_ids(column: ColumnContents) -> bool:
    """Return whether a column is called like an id, and few rows have the same."""
    return (
        not column.numeric()
        and _ID_NAME.fullmatch(column.name.strip()) is not None
        and column.size / 8 < len(column.distinct) < len(column.texts)
        and len(column.distinct) > _FEW
        and all(" " not in t and file_kind(t) is None for t in column.texts)
    )


def _tells_rows_apart(column: ColumnContents, reason: str) -> bool:
    """Return whether a column that is left out has another word or whole number in each row."""
    return (
        reason.startswith((EACH_ANOTHER, COUNTS))
        and column.distinct_throughout()
        and all(len(text.split()) == 1 and file_kind(text) is None for text in column.texts)
    )


def write_guess(path: Path, guess: Guess, *, data: str) -> None:
    """Write the schema with the reasons as comments.

    Raises:
        FileExistsError: There is such a file already.
    """
    if path.exists():
        raise FileExistsError(
            f"'{path}' exists already, and may have been edited. Name another file, or remove it."
        )
    lines = [
        f"# Guessed from {data}. Edit it, then: sennit table fit {quote(data)} --schema {quote(str(path))}",
        "# Inputs: image, audio, text, molecule, table, series.",
        "# Targets: class, ordinal, multilabel, number, survival.",
        "# Choose any names on the left of inputs and targets; the model will have them.",
        "# Each column:",
        *(f"#   {name}: {reason}" for name, reason in guess.reasons.items()),
        yaml.safe_dump(guess.raw, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines))
