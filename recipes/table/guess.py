"""A first schema of a table, from its columns' names and contents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sennit.recipes.table.columns import Column, most_common_rate
from sennit.recipes.table.folder import file_kind
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.source import Source
from sennit.recipes.table.splits import is_part

from sennit.files import write_text

_LOOKED_AT = 200  # files of a column
_TARGETS = ("target", "label", "labels", "class", "category", "y")
_GROUPS = ("group", "speaker", "subject", "patient", "participant", "session", "user")
_SPLITS = ("split", "fold", "subset", "partition")


@dataclass(frozen=True)
class Guess:
    """A schema, and for each column why it is what it is.

    Attributes:
        raw: As a YAML file holds it.
        reasons: By column.
    """

    raw: dict[str, Any]
    reasons: dict[str, str]

    @property
    def schema(self) -> Schema:
        return Schema.of(self.raw)


def guess_schema(source: Source, *, target: str | None = None) -> Guess:
    """Look at every column.

    Args:
        source: The table.
        target: The column to learn; by default those called target, label, class, category or y.

    Raises:
        ValueError: No column looks like a target, or none like an input.
    """
    columns = {
        name: Column(name, [t for row in source.rows() if (t := row.text(name)) is not None], source.size)
        for name in source.columns
    }
    if target is not None:
        source.check_columns([target], "--target")
    targets = [c for c in columns if c == target or (target is None and c.lower() in _TARGETS)]
    if not targets:
        raise ValueError(
            f"one column should be the target. Found none called {', '.join(_TARGETS)} among "
            f"{', '.join(columns)}. Name one with --target."
        )
    raw: dict[str, Any] = {"inputs": {}, "targets": {}, "split": {"by": "random"}}
    reasons: dict[str, str] = {}
    table: dict[str, Any] = {"kind": "table", "numbers": [], "categories": {}}
    for name, column in columns.items():
        if not column.texts:
            reasons[name] = "left out: blank throughout"
        elif name in targets:
            raw["targets"][name], reasons[name] = _target(column)
        elif name.lower() in _SPLITS and all(is_part(text) for text in column.distinct):
            raw["split"], reasons[name] = {"by": "column", "column": name}, "names the part of each row"
        elif name.lower() in _GROUPS and raw["split"]["by"] == "random":
            raw["split"] = {"by": "group", "column": name, "validation": 0.1, "test": 0.1, "seed": 0}
            reasons[name] = f"{len(column.distinct)} groups, by its name"
        else:
            reasons[name] = _input(source, column, raw["inputs"], table)
    if raw["split"]["by"] == "random":
        raw["split"] = {"by": "random", "validation": 0.1, "test": 0.1, "seed": 0}
    kept = {k: v for k, v in table.items() if v}
    if len(kept) > 1:
        raw["inputs"]["table" if "table" not in raw["inputs"] else "columns"] = kept
    if not raw["inputs"]:
        found = "; ".join(f"{k}: {v}" for k, v in reasons.items())
        raise ValueError(f"'{source.name}' should have a column that is an input. Found none ({found}).")
    return Guess(raw, reasons)


def _target(column: Column) -> tuple[dict[str, Any], str]:
    name, values = column.name, column.distinct
    if column.numeric() and not (column.whole() and column.few() and len(values) <= 20):
        return {"kind": "number", "columns": [name]}, "numbers"
    for separator in "|;":
        labels = sorted({x.strip() for text in values for x in text.split(separator)} - {""})
        if any(separator in text for text in values):
            found = {"kind": "multilabel", "column": name, "separator": separator, "labels": labels}
            return found, f"{len(labels)} labels between '{separator}'"
    return {"kind": "class", "column": name, "classes": values}, f"{len(values)} classes"


def _input(source: Source, column: Column, inputs: dict[str, Any], table: dict[str, Any]) -> str:
    name = column.name
    kinds = Counter(file_kind(text) for text in column.texts)
    kind, count = kinds.most_common(1)[0]
    if kind is not None and count > len(column.texts) / 2:
        paths = [source.folder / text for text in column.texts[:_LOOKED_AT] if file_kind(text) == kind]
        there = [path for path in paths if path.is_file()]
        if not there:
            return f"left out: names like {kind} files, but '{paths[0]}' is not there"
        inputs[name] = {"kind": kind, "column": name}
        if kind == "audio":
            inputs[name]["sample_rate"] = most_common_rate(there)
        return f"{len(there)} of the first {len(paths)} {kind} files are there"
    if column.numeric():
        if column.whole() and len(column.distinct) == column.rows > 2 and column.counts_up():
            return "left out: counts the rows"
        table["numbers"].append(name)
        return f"numbers from {min(map(float, column.texts)):g} to {max(map(float, column.texts)):g}"
    if column.few() and not (column.long() and len(column.distinct) > column.rows / 4):
        table["categories"][name] = column.distinct
        return f"{len(column.distinct)} different values"
    if column.long() or len(column.distinct) < len(column.texts):
        inputs[name] = {"kind": "text", "column": name}
        return f"texts, such as '{column.texts[0][:40]}'"
    return f"left out: every row has a value of its own, such as '{column.texts[0]}'"


def write_guess(path: Path, guess: Guess, *, data: str) -> None:
    """Write the schema with the reasons as comments.

    Raises:
        FileExistsError: There is such a file already.
    """
    if path.exists():
        raise FileExistsError(
            f"'{path}' is there already, and may be edited. Name another file, or remove it."
        )
    lines = [
        f"# Guessed from {data}. Edit it, then: python -m sennit.recipes.table --data {data} --schema {path}",
        "# Inputs: image, audio, text, table, series. Targets: class, multilabel, number.",
        "# Every name on the left of an input or a target is yours to choose; the model will have it.",
        "# Each column:",
        *(f"#   {name}: {reason}" for name, reason in guess.reasons.items()),
        yaml.safe_dump(guess.raw, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
    ]
    write_text(path, "\n".join(lines))
