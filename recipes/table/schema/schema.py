"""The meaning of a table's columns: inputs, targets and the split, as a YAML file declares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from sennit.data.missing_words import MISSING_WORDS
from sennit.files import write_text
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.file_inputs import AudioInput, ImageInput, SeriesInput
from sennit.recipes.table.schema.inputs import Input, MoleculeInput, TextInput
from sennit.recipes.table.schema.parse import convert, from_mapping
from sennit.recipes.table.schema.schema_file import read_mapping
from sennit.recipes.table.schema.splits import SPLITS, RandomSplit, Split
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.schema.targets import TARGETS, Target
from sennit.registry import check_names, unknown_name

INPUTS: dict[str, type[Input]] = {
    cls.kind: cls for cls in (ImageInput, AudioInput, TextInput, MoleculeInput, TableInput, SeriesInput)
}
_KEYS = ("id", "inputs", "targets", "split", "missing", "monitor", "duplicates", "separator")
_DUPLICATES = ("group", "allow", "refuse")
T = TypeVar("T", Input, Target)


@dataclass(frozen=True)
class Schema:
    """Inputs and targets by their names in the model, and the split.

    A schema is complete when it declares all classes, labels, categories and channels.

    Args:
        inputs: One or more inputs.
        targets: One or more targets.
        split: Split of the rows.
        missing: Words that stand for a blank cell.
        id: Column that names the rows in the answers; it is no input.
        duplicates: Way with copies of rows or files in two parts: ``"group"`` them, ``"refuse"`` or
            ``"allow"`` them.
        separator: Character between the cells of a text file, where it is none of comma, semicolon and tab.
        monitor: Target by whose metric the epoch is chosen; by default the mean over all targets.

    Raises:
        ValueError: There is no input or no target, or a column is both.

    Example:
        >>> schema = Schema.of({
        ...     "inputs": {"caption": {"kind": "text", "column": "caption"}},
        ...     "targets": {"good": {"kind": "class", "column": "good", "classes": ["no", "yes"]}},
        ... })
        >>> schema.targets["good"].read(Rows("t.csv", {"good": ["no", "yes"]}, range(2)))
        [0, 1]
    """

    inputs: Mapping[str, Input]
    targets: Mapping[str, Target]
    split: Split = field(default_factory=RandomSplit)
    missing: Sequence[str] = MISSING_WORDS
    id: str | None = None
    monitor: str | None = None
    duplicates: str = "group"
    separator: str | None = None

    def __post_init__(self) -> None:
        check_names("value of `duplicates`", [self.duplicates], _DUPLICATES)
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\n'):
            raise ValueError(f"`separator` should be one character, and no quote. Found {self.separator!r}.")
        if self.monitor is not None:
            check_names("target in `monitor`", [self.monitor], self.targets)
        for name in ("inputs", "targets"):
            if not getattr(self, name):
                raise ValueError(f"a schema should have one or more of `{name}`. Found none.")
        if self.id is not None and self.id in (*self.targets, *self.target_columns):
            raise ValueError(f"`id` should name a column that is no target. Found the target '{self.id}'.")
        read_by = {c: name for name, spec in self.inputs.items() for c in spec.column_names}
        for name, target in self.targets.items():
            for column in target.column_names:
                if column in read_by:
                    raise ValueError(
                        f"column '{column}' should be an input or a target. Found it in "
                        f"inputs.{read_by[column]} and targets.{name}: the answer would be given away."
                    )

    @classmethod
    def of(cls, raw: Any, where: str = "the schema") -> Self:
        """Make a schema from the contents of a YAML file.

        Raises:
            ValueError: Something is unknown, missing or of the wrong type; the error says where.
        """
        if not isinstance(raw, Mapping):
            raise ValueError(f"{where} should be a mapping with the keys {', '.join(_KEYS)}. Found {raw!r}.")
        for key in raw:
            if key not in _KEYS:
                raise ValueError(f"{where}: {unknown_name('key', str(key), _KEYS)}")
        for key in ("inputs", "targets"):
            if not isinstance(raw.get(key), Mapping):
                raise ValueError(f"{where}: {key} should map names to options. Found {raw.get(key)!r}.")
        inputs = {
            str(k): from_mapping(INPUTS, "kind", v, f"{where}: inputs.{k}") for k, v in raw["inputs"].items()
        }
        targets = {
            str(k): from_mapping(TARGETS, "kind", v, f"{where}: targets.{k}")
            for k, v in raw["targets"].items()
        }
        options: dict[str, Any] = {}
        if "split" in raw:
            options["split"] = from_mapping(SPLITS, "by", raw["split"], f"{where}: split")
        if "missing" in raw:
            options["missing"] = tuple(convert(raw["missing"], list[str], f"{where}: missing"))
        for key in ("id", "monitor", "duplicates", "separator"):
            if raw.get(key) is not None:
                options[key] = convert(raw[key], str, f"{where}: {key}")
        return cls(inputs, targets, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of a YAML file."""
        return {
            **({} if self.id is None else {"id": self.id}),
            "inputs": {name: _options(spec) for name, spec in self.inputs.items()},
            "targets": {name: _options(target) for name, target in self.targets.items()},
            "split": _options(self.split),
            **({} if self.missing == MISSING_WORDS else {"missing": list(self.missing)}),
            **({} if self.monitor is None else {"monitor": self.monitor}),
            **({} if self.duplicates == "group" else {"duplicates": self.duplicates}),
            **({} if self.separator is None else {"separator": self.separator}),
        }

    def with_inputs(self, names: Iterable[str]) -> Schema:
        """Return the schema with some of its inputs."""
        return replace(self, inputs={name: self.inputs[name] for name in names})

    @property
    def layer_decay(self) -> dict[str, float]:
        """Factors of the learning rate from layer to layer, by input."""
        return {name: s.layer_decay for name, s in self.inputs.items() if s.layer_decay is not None}

    @property
    def input_columns(self) -> list[str]:
        """Columns that the inputs read."""
        return [column for spec in self.inputs.values() for column in spec.column_names]

    @property
    def target_columns(self) -> list[str]:
        """Columns that the targets read."""
        return [column for target in self.targets.values() for column in target.column_names]

    def reading(self, rows: Rows, *, labelled: bool = True) -> Rows:
        """Return a table whose cells are read as the schema says.

        Raises:
            ValueError: A column of an input or, unless ``labelled`` is false, of a target is missing.
        """
        for name, spec in self.inputs.items():
            rows.check_columns(spec.column_names, f"inputs.{name}")
        for name, target in self.targets.items() if labelled else ():
            rows.check_columns(target.column_names, f"targets.{name}")
        return rows.with_missing(self.missing)

    def complete(self, rows: Rows) -> Schema:
        """Return the complete schema, with what it leaves open taken from training rows."""
        return replace(
            self,
            inputs={name: _complete(spec, rows, f"inputs.{name}") for name, spec in self.inputs.items()},
            targets={n: _complete(target, rows, f"targets.{n}") for n, target in self.targets.items()},
        )


def _complete(spec: T, rows: Rows, where: str) -> T:
    try:
        return spec.complete(rows)
    except BadCell:
        raise
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _options(spec: Input | Target | Split) -> dict[str, Any]:
    """Return the options of an input, a target or a split that have a value."""
    kind = {"by": spec.by} if isinstance(spec, Split) else {"kind": spec.kind}
    values = {f.name: getattr(spec, f.name) for f in fields(spec)}  # type: ignore[arg-type]
    return {**kind, **{k: v for k, v in values.items() if v not in (None, [], {})}}


def read_schema(path: str | Path) -> Schema:
    """Read a YAML file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not YAML, or not a schema.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no schema '{path}'. Write one with `sennit table guess`, and edit it.")
    try:
        raw = read_mapping(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"'{path}' should be UTF-8. Found another encoding. Save it as UTF-8.") from None
    except ValueError as error:
        raise ValueError(f"'{path}' {error}") from None
    return Schema.of(raw, f"'{path}'")


def write_schema(path: str | Path, schema: Schema) -> None:
    """Write a YAML file."""
    write_text(
        Path(path),
        yaml.safe_dump(schema.to_dict(), sort_keys=False, allow_unicode=True, default_flow_style=None),
    )
