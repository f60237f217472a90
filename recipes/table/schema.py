"""What the columns of a table are: inputs, targets and the split, as a YAML file declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from sennit.recipes.table.input import Input
from sennit.recipes.table.inputs import INPUTS
from sennit.recipes.table.parse import PartError, make
from sennit.recipes.table.row import Row
from sennit.recipes.table.source import Source
from sennit.recipes.table.splits import SPLITS, RandomSplit, Split
from sennit.recipes.table.targets import TARGETS, Target

from sennit.files import write_text
from sennit.registry import unknown_name

_KEYS = ("inputs", "targets", "split")
P = TypeVar("P", Input, Target)


@dataclass(frozen=True)
class Schema:
    """Inputs and targets by the names that the model has for them, and the split.

    Args:
        inputs: One or more.
        targets: One or more.
        split: Of the rows.

    Raises:
        ValueError: No input or no target, or a column that is both.

    Example:
        >>> schema = Schema.of({
        ...     "inputs": {"caption": {"kind": "text", "column": "caption"}},
        ...     "targets": {"good": {"kind": "class", "column": "good", "classes": ["no", "yes"]}},
        ... })
        >>> schema.targets["good"].make_task().out_dim
        2
    """

    inputs: Mapping[str, Input]
    targets: Mapping[str, Target]
    split: Split = field(default_factory=RandomSplit)

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            if not getattr(self, name):
                raise ValueError(f"a schema should have one or more of `{name}`. Found none.")
        given = {c: name for name, part in self.inputs.items() for c in part.column_names}
        for name, target in self.targets.items():
            for column in target.column_names:
                if column in given:
                    raise ValueError(
                        f"column '{column}' should be an input or a target. Found it in "
                        f"inputs.{given[column]} and targets.{name}: the answer would be given away."
                    )

    @classmethod
    def of(cls, raw: Any, where: str = "the schema") -> Self:
        """Make it of what a YAML file holds.

        Raises:
            ValueError: Something unknown, missing or of the wrong type; where it is, is named.
        """
        if not isinstance(raw, Mapping):
            raise ValueError(f"{where} should be a mapping with the keys {', '.join(_KEYS)}. Found {raw!r}.")
        for key in raw:
            if key not in _KEYS:
                raise ValueError(f"{where}: {unknown_name('key', str(key), _KEYS)}")
        for key in ("inputs", "targets"):
            if not isinstance(raw.get(key), Mapping):
                raise ValueError(f"{where}: {key} should map names to options. Found {raw.get(key)!r}.")
        inputs = {str(k): make(INPUTS, "kind", v, f"{where}: inputs.{k}") for k, v in raw["inputs"].items()}
        targets = {
            str(k): make(TARGETS, "kind", v, f"{where}: targets.{k}") for k, v in raw["targets"].items()
        }
        if "split" not in raw:
            return cls(inputs, targets)
        return cls(inputs, targets, make(SPLITS, "by", raw["split"], f"{where}: split"))

    def to_dict(self) -> dict[str, Any]:
        """As a YAML file holds it."""
        return {
            "inputs": {name: part_to_dict(part) for name, part in self.inputs.items()},
            "targets": {name: part_to_dict(part) for name, part in self.targets.items()},
            "split": part_to_dict(self.split),
        }

    def check_columns(self, source: Source, *, labelled: bool = True) -> None:
        """Refuse a table that lacks a column."""
        for name, part in self.inputs.items():
            source.check_columns(part.column_names, f"inputs.{name}")
        if labelled:
            for name, target in self.targets.items():
                source.check_columns(target.column_names, f"targets.{name}")

    def complete(self, rows: Callable[[], Iterable[Row]]) -> Schema:
        """The same with undeclared classes, labels, categories and channels, from training rows."""
        return Schema(
            {name: _complete(part, rows, f"inputs.{name}") for name, part in self.inputs.items()},
            {name: _complete(part, rows, f"targets.{name}") for name, part in self.targets.items()},
            self.split,
        )


def _complete(part: P, rows: Callable[[], Iterable[Row]], where: str) -> P:
    try:
        return part.complete(rows())
    except PartError as error:
        raise ValueError(f"{where}: {error}") from None


def part_to_dict(part: Any) -> dict[str, Any]:
    """The options of an input, a target or a split, less those without a value."""
    tag = "by" if isinstance(part, Split) else "kind"
    options = {k: v for k, v in asdict(part).items() if v not in (None, [], {})}
    return {tag: getattr(part, tag), **options}


def read_schema(path: str | Path) -> Schema:
    """Read a YAML file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not YAML, or not a schema.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no schema '{path}'. Write one with `--guess-schema {path}`, and edit it.")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"'{path}' is not valid YAML: {error}") from None
    return Schema.of(raw, f"'{path}'")


def write_schema(path: str | Path, schema: Schema) -> None:
    """Write a YAML file."""
    write_text(
        Path(path),
        yaml.safe_dump(schema.to_dict(), sort_keys=False, allow_unicode=True, default_flow_style=None),
    )
