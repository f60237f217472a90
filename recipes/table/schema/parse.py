"""From the contents of a YAML file to dataclasses, with errors that say where."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sennit.registry import unknown_name

T = TypeVar("T")
_WORDS = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}


def from_mapping(kinds: Mapping[str, type[T]], tag: str, raw: Any, where: str) -> T:
    """Make one of several dataclasses, chosen by the value under ``tag``.

    Raises:
        ValueError: An unknown kind or key (close ones are listed), a missing key, or a wrong type.

    Example:
        >>> from sennit.recipes.table.schema.splits import SPLITS
        >>> from_mapping(SPLITS, "by", {"by": "group", "colum": "speaker"}, "split")
        Traceback (most recent call last):
        ValueError: split: unknown key 'colum'. Did you mean 'column'?
    """
    if not isinstance(raw, Mapping) or tag not in raw:
        raise ValueError(f"{where} should be a mapping with the key '{tag}'. Found {raw!r}.")
    if raw[tag] not in kinds:
        raise ValueError(f"{where}: {unknown_name(tag, str(raw[tag]), kinds)}")
    cls, options = kinds[raw[tag]], {str(k): v for k, v in raw.items() if k != tag}
    declared = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in options:
        if key not in declared:
            raise ValueError(f"{where}: {unknown_name('key', key, declared)}")
    for name, f in declared.items():
        if name not in options and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where} should have the key '{name}'. Found {sorted(options)}.")
    hints = get_type_hints(cls)
    values = {key: convert(value, hints[key], f"{where}.{key}") for key, value in options.items()}
    try:
        return cls(**values)
    except ValueError as error:  # the dataclass does not know where it stands
        raise ValueError(f"{where}: {error}") from None


def convert(value: Any, hint: Any, where: str) -> Any:
    """Return a value as the type of a hint; numbers may stand for texts."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in inner:
            return None
        kinds = [h for h in inner if h is not types.NoneType]
        chosen = next((h for h in kinds if isinstance(value, get_origin(h) or h)), kinds[0])
        return convert(value, chosen, where)
    if origin is list and isinstance(value, list):
        values = [convert(v, inner[0], f"{where}[{i}]") for i, v in enumerate(value)]
        twice = next((v for i, v in enumerate(values) if inner[0] is str and v in values[:i]), None)
        if twice is not None:
            raise ValueError(f"{where} should have each name once. Found '{twice}' twice.")
        return values
    if origin is dict and isinstance(value, Mapping):
        return {str(k): convert(v, inner[1], f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, bool):
        hint_of_yaml = " Put yes, no, on and off in quotes." if hint is str else ""
        raise ValueError(f"{where} should be {_WORDS[origin or hint]}. Found {value}.{hint_of_yaml}")
    if hint is str and isinstance(value, (str, int, float)):
        return str(value)
    if hint is float and isinstance(value, (int, float)):
        return float(value)
    if hint is int and isinstance(value, int):
        return value
    raise ValueError(f"{where} should be {_WORDS[origin or hint]}. Found {value!r}.")
