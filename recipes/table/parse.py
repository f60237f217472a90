"""From what YAML holds to dataclasses, with errors that say where."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sennit.registry import unknown_name

P = TypeVar("P")
_WORDS = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}


def make(kinds: Mapping[str, type[P]], tag: str, raw: Any, where: str) -> P:
    """One of several dataclasses, chosen by the value under ``tag``.

    Raises:
        ValueError: An unknown kind or key (close ones are named), a missing key, or a wrong type.

    Example:
        >>> from sennit.recipes.table.splits import SPLITS
        >>> make(SPLITS, "by", {"by": "group", "colum": "speaker"}, "split")
        Traceback (most recent call last):
        ValueError: split: unknown key 'colum'. Did you mean 'column'?
    """
    if not isinstance(raw, Mapping) or tag not in raw:
        raise ValueError(f"{where} should be a mapping with the key '{tag}'. Found {raw!r}.")
    if raw[tag] not in kinds:
        raise ValueError(f"{where}: {unknown_name(tag, str(raw[tag]), kinds)}")
    cls, options = kinds[raw[tag]], {str(k): v for k, v in raw.items() if k != tag}
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in options:
        if key not in known:
            raise ValueError(f"{where}: {unknown_name('key', key, known)}")
    for name, f in known.items():
        if name not in options and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where} should have the key '{name}'. Found {sorted(options)}.")
    hints = get_type_hints(cls)
    try:
        return cls(**{key: fit(value, hints[key], f"{where}.{key}") for key, value in options.items()})
    except PartError as error:
        raise ValueError(f"{where}: {error}") from None


class PartError(ValueError):
    """What a part finds wrong with its own options, without saying where it stands."""


def fit(value: Any, hint: Any, where: str) -> Any:
    """A value of the type that is asked for; numbers may stand where texts do."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in inner:
            return None
        kinds = [h for h in inner if h is not types.NoneType]
        chosen = next((h for h in kinds if isinstance(value, get_origin(h) or h)), kinds[0])
        return fit(value, chosen, where)
    if origin is list and isinstance(value, list):
        return [fit(v, inner[0], f"{where}[{i}]") for i, v in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):
        return {str(k): fit(v, inner[1], f"{where}.{k}") for k, v in value.items()}
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
