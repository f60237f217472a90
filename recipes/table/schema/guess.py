"""A first schema of a table, guessed from the names and contents of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sennit.encoders.features import sound_length
from sennit.files import write_text
from sennit.recipes.media_files import file_kind, subset_of
from sennit.recipes.table.reading.media import contents_kind
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.schema import Schema

_MAX_FILES = 200  # of a column, that are looked for
_MAX_CLASSES = 200  # of whole numbers in a column that is called a target
_MAX_NUMBERED = 20  # the same, where the name does not say so
_MAX_FOLDS = 100
_TARGETS = ("target", "label", "labels", "class", "category", "y")
_GROUPS = ("group", "speaker", "subject", "patient", "participant", "session", "user")
_SPLITS = ("split", "fold", "subset", "partition")
_SHARES = {"validation": 0.1, "test": 0.1, "seed": 0}
_RANDOM: dict[str, Any] = {"by": "random", **_SHARES}


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

    Args:
        rows: Table.
        target: Column to learn, or several; by default those called target, label, class, category or y.

    Raises:
        ValueError: No column looks like a target, or none like an input.
    """
    columns = {name: ColumnContents.of(rows, name) for name in rows.columns}
    chosen_targets = [target] if isinstance(target, str) else list(target or ())
    rows.check_columns(chosen_targets, "--target")
    named = chosen_targets or [c for c in columns if c.lower() in _TARGETS]
    if not named:
        raise ValueError(
            f"one column should be the target. Found none called {', '.join(_TARGETS)} among "
            f"{', '.join(columns)}. Name one with --target."
        )
    targets = _without_twins([columns[name] for name in named])
    splits = {name: split for name, column in columns.items() if (split := _split(column)) is not None}
    chosen = next((s for by in ("column", "group") for s, _ in splits.values() if s["by"] == by), _RANDOM)
    raw: dict[str, Any] = {"inputs": {}, "targets": {}, "split": dict(chosen)}
    reasons: dict[str, str] = {}
    table: dict[str, Any] = {"kind": "table", "numbers": [], "categories": {}}
    for name, column in columns.items():
        twin = next((t.name for t in targets if t is not column and column.tells(t)), None)
        if not column.texts and not column.values:
            reasons[name] = "left out: blank throughout"
        elif column in targets:
            raw["targets"][name], reasons[name] = _target(column)
        elif twin is not None:
            reasons[name] = f"left out: gives the answer away, as its values tell those of '{twin}'"
        elif name in splits:
            used = name == chosen.get("column")
            reasons[name] = splits[name][1] if used else f"left out: {splits[name][1]}; another column splits"
        elif name.lower() in _SPLITS:
            reasons[name] = "left out: names a split, but no subsets or folds"
        else:
            reasons[name] = _input(rows, column, raw["inputs"], table)
    kept = {k: v for k, v in table.items() if v}
    if len(kept) > 1:
        raw["inputs"]["table" if "table" not in raw["inputs"] else "columns"] = kept
    if not raw["inputs"]:
        listed = "; ".join(f"{k}: {v}" for k, v in reasons.items())
        raise ValueError(f"'{rows.name}' should have a column that is an input. Found none ({listed}).")
    return Guess(raw, reasons)


def _without_twins(targets: list[ColumnContents]) -> list[ColumnContents]:
    """Return the targets without those that are another one's numbers or names."""
    kept: list[ColumnContents] = []
    for column in sorted(targets, key=ColumnContents.numeric):  # names before their numbers
        if not any(column.tells(other) for other in kept):
            kept.append(column)
    return kept


def _split(column: ColumnContents) -> tuple[dict[str, Any], str] | None:
    """Return the split that a column declares by its name and contents."""
    name, values = column.name, column.distinct
    if not values:
        return None
    if name.lower() in _SPLITS and all(subset_of(text) for text in values):
        return {"by": "column", "column": name}, "names the subset of each row"
    groups = {"by": "group", "column": name, **_SHARES}
    if name.lower() in _SPLITS and column.numeric() and column.whole() and 3 < len(values) <= _MAX_FOLDS:
        return groups, f"{len(values)} folds, each of which is held out whole or not at all"
    if name.lower() in _GROUPS:
        return groups, f"{len(values)} groups, by its name"
    return None


def _target(column: ColumnContents) -> tuple[dict[str, Any], str]:
    name, values = column.name, column.distinct
    if column.values:
        return {"kind": "multilabel", "column": name}, "lists of labels"
    most = _MAX_CLASSES if name.lower() in _TARGETS else _MAX_NUMBERED
    if column.numeric() and not (column.whole() and column.few(most)):
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
    if column.values:
        return _contents(column, inputs)
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
    if column.constant():
        return f"left out: always '{column.texts[0]}'"
    if column.dates():
        return f"left out: dates, such as '{column.texts[0]}'; give numbers, such as the days since a day"
    if "smiles" in name.lower():
        inputs[name] = {"kind": "molecule", "column": name}
        return f"molecules, such as '{column.texts[0][:40]}', by its name"
    if column.numeric():
        if column.whole() and len(column.distinct) == column.size > 2 and column.counts_up():
            return "left out: counts the rows"
        table["numbers"].append(name)
        return f"numbers from {min(column.numbers):g} to {max(column.numbers):g}"
    if column.few() and not (column.long() and len(column.distinct) > column.size / 4):
        table["categories"][name] = column.distinct
        return f"{len(column.distinct)} different values"
    if column.long() or len(column.distinct) < len(column.texts):
        inputs[name] = {"kind": "text", "column": name}
        return f"texts, such as '{column.texts[0][:40]}'"
    return f"left out: every row has another value, such as '{column.texts[0]}'"


def _contents(column: ColumnContents, inputs: dict[str, Any]) -> str:
    """Add a column of the contents of files to the inputs; return the reason."""
    contents = [value for value in column.values[:_MAX_FILES] if isinstance(value, bytes)]
    kind, count = Counter(map(contents_kind, contents)).most_common(1)[0] if contents else (None, 0)
    if kind is None:
        return "left out: lists, mappings, or files of a kind that is not read"
    inputs[column.name] = {"kind": kind, "column": column.name}
    if kind == "audio":
        inputs[column.name]["sample_rate"] = _most_common_rate(contents)
    return f"{count} of the first {len(contents)} cells hold {kind} files"


def _most_common_rate(files: Sequence[Path | bytes]) -> int:
    """Return the sample rate in Hz of most of the sound files that can be read."""
    rates = Counter[int]()
    for file in files:
        try:
            rates[sound_length(file)[1]] += 1
        except ValueError:  # the check before the training names the file
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
        f"# Guessed from {data}. Edit it, then: sennit table fit {data} --schema {path}",
        "# Inputs: image, audio, text, molecule, table, series. Targets: class, multilabel, number.",
        "# Choose any names on the left of inputs and targets; the model will have them.",
        "# Each column:",
        *(f"#   {name}: {reason}" for name, reason in guess.reasons.items()),
        yaml.safe_dump(guess.raw, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100),
    ]
    write_text(path, "\n".join(lines))
