"""A first schema of a table, guessed from the names and contents of its columns."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from sennit.extras import require
from sennit.files import write_text
from sennit.recipes.table.media import file_kind
from sennit.recipes.table.rows import Rows
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.splits import is_subset

_MAX_FILES = 200  # of a column, that are looked for
_MAX_CATEGORIES = 50  # different values of a column of categories
_LONG = 20  # characters of a text rather than of a name, on average
_TARGETS = ("target", "label", "labels", "class", "category", "y")
_GROUPS = ("group", "speaker", "subject", "patient", "participant", "session", "user")
_SPLITS = ("split", "fold", "subset", "partition")


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


def guess_schema(rows: Rows, *, target: str | None = None) -> Guess:
    """Guess the meaning of every column.

    Args:
        rows: Table.
        target: Column to learn; by default those called target, label, class, category or y.

    Raises:
        ValueError: No column looks like a target, or none like an input.
    """
    columns = {
        name: ColumnContents(name, [text for text in rows.texts(name) if text is not None], len(rows))
        for name in rows.columns
    }
    if target is not None:
        rows.check_columns([target], "--target")
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
        elif name.lower() in _SPLITS and all(is_subset(text) for text in column.distinct):
            raw["split"], reasons[name] = {"by": "column", "column": name}, "names the subset of each row"
        elif name.lower() in _GROUPS and raw["split"]["by"] == "random":
            raw["split"] = {"by": "group", "column": name, "validation": 0.1, "test": 0.1, "seed": 0}
            reasons[name] = f"{len(column.distinct)} groups, by its name"
        else:
            reasons[name] = _input(rows, column, raw["inputs"], table)
    if raw["split"]["by"] == "random":
        raw["split"] = {"by": "random", "validation": 0.1, "test": 0.1, "seed": 0}
    kept = {k: v for k, v in table.items() if v}
    if len(kept) > 1:
        raw["inputs"]["table" if "table" not in raw["inputs"] else "columns"] = kept
    if not raw["inputs"]:
        listed = "; ".join(f"{k}: {v}" for k, v in reasons.items())
        raise ValueError(f"'{rows.name}' should have a column that is an input. Found none ({listed}).")
    return Guess(raw, reasons)


@dataclass(frozen=True)
class ColumnContents:
    """The contents of a column, and whether they look like numbers, names or texts.

    Attributes:
        name: Name of the column.
        texts: Cells that are not blank.
        size: Number of rows in the table.

    Example:
        >>> ColumnContents("size", ["1", "2.5", "2.5", "7"], size=4).numeric()
        True
    """

    name: str
    texts: list[str]
    size: int

    @property
    def distinct(self) -> list[str]:
        return sorted(set(self.texts))

    def numeric(self) -> bool:
        """Return whether all are numbers."""
        number = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|nan|NaN"
        return bool(self.texts) and all(re.fullmatch(number, text) for text in self.texts)

    def whole(self) -> bool:
        """Return whether all, being numbers, are whole."""
        return all(float(text).is_integer() for text in self.texts)

    def long(self) -> bool:
        """Return whether they are texts rather than names."""
        mean_length = sum(map(len, self.texts)) / len(self.texts)
        return mean_length > _LONG or sum(" " in text for text in self.texts) > len(self.texts) / 2

    def counts_up(self) -> bool:
        """Return whether the values, being numbers, count the rows."""
        numbers = [float(text) for text in self.texts]
        return all(b - a == 1 for a, b in pairwise(numbers))

    def few(self) -> bool:
        """Return whether there are as few different ones as a category has."""
        return len(self.distinct) <= min(_MAX_CATEGORIES, max(2, self.size // 2))


def _target(column: ColumnContents) -> tuple[dict[str, Any], str]:
    name, values = column.name, column.distinct
    if column.numeric() and not (column.whole() and column.few() and len(values) <= 20):
        return {"kind": "number", "columns": [name]}, "numbers"
    for separator in "|;":
        labels = sorted({x.strip() for text in values for x in text.split(separator)} - {""})
        if any(separator in text for text in values):
            options = {"kind": "multilabel", "column": name, "separator": separator, "labels": labels}
            return options, f"{len(labels)} labels between '{separator}'"
    return {"kind": "class", "column": name, "classes": values}, f"{len(values)} classes"


def _input(rows: Rows, column: ColumnContents, inputs: dict[str, Any], table: dict[str, Any]) -> str:
    """Add a column to the inputs, or to the table among them; return the reason."""
    name = column.name
    kinds = Counter(file_kind(text) for text in column.texts)
    kind, count = kinds.most_common(1)[0]
    if kind is not None and count > len(column.texts) / 2:
        paths = [rows.folder / text for text in column.texts[:_MAX_FILES] if file_kind(text) == kind]
        existing = [path for path in paths if path.is_file()]
        if not existing:
            return f"left out: names like {kind} files, but '{paths[0]}' does not exist"
        inputs[name] = {"kind": kind, "column": name}
        if kind == "audio":
            inputs[name]["sample_rate"] = _most_common_rate(existing)
        return f"{len(existing)} of the first {len(paths)} {kind} files exist"
    if column.numeric():
        if column.whole() and len(column.distinct) == column.size > 2 and column.counts_up():
            return "left out: counts the rows"
        table["numbers"].append(name)
        return f"numbers from {min(map(float, column.texts)):g} to {max(map(float, column.texts)):g}"
    if column.few() and not (column.long() and len(column.distinct) > column.size / 4):
        table["categories"][name] = column.distinct
        return f"{len(column.distinct)} different values"
    if column.long() or len(column.distinct) < len(column.texts):
        inputs[name] = {"kind": "text", "column": name}
        return f"texts, such as '{column.texts[0][:40]}'"
    return f"left out: every row has another value, such as '{column.texts[0]}'"


def _most_common_rate(paths: list[Path]) -> int:
    """Return the sample rate in Hz of most of the sound files that can be read."""
    soundfile, rates = require("soundfile", "audio"), Counter[int]()
    for path in paths:
        try:
            rates[soundfile.info(str(path)).samplerate] += 1
        except RuntimeError:  # the check before the training names the file
            continue
    return rates.most_common(1)[0][0] if rates else 16000


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
        f"# Guessed from {data}. Edit it, then: python -m sennit.recipes.table --data {data} --schema {path}",
        "# Inputs: image, audio, text, table, series. Targets: class, multilabel, number.",
        "# Choose any names on the left of inputs and targets; the model will have them.",
        "# Each column:",
        *(f"#   {name}: {reason}" for name, reason in guess.reasons.items()),
        yaml.safe_dump(guess.raw, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
    ]
    write_text(path, "\n".join(lines))
