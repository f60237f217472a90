"""Rows from JSON: one object a line, or a list of objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def read_json_rows(raw: bytes, *, lines: bool) -> tuple[dict[str, list[Any]], list[int]]:
    r"""Return the cells of each column, None where an object lacks the key, and the number of each row.

    Rows are numbered from 1: by the lines of the file, or by the objects of a list.

    Args:
        raw: Contents of the file.
        lines: Whether each line is an object.

    Raises:
        ValueError: It is not UTF-8, no JSON, or something else than objects.

    Example:
        >>> read_json_rows(b'{"a": 1}\n{"a": [2, 3], "b": null}\n', lines=True)
        ({'a': [1, [2, 3]], 'b': [None, None]}, [1, 2])
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it should be UTF-8. Found another encoding. Save it as UTF-8.") from None
    numbered = _objects_by_line(text) if lines else _objects_of_list(text)
    names = dict.fromkeys(str(key) for _, row in numbered for key in row)
    return {name: [row.get(name) for _, row in numbered] for name in names}, [n for n, _ in numbered]


def _objects_by_line(text: str) -> list[tuple[int, Mapping[str, Any]]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                raise ValueError(
                    f"line {number} should be a JSON object. Found '{line.strip()[:60]}'."
                ) from None
            rows.append((number, _object(row, f"line {number}")))
    return rows


def _objects_of_list(text: str) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(f"it should be a JSON list of objects. Line {line} is no JSON.") from None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ValueError(
            f"it should be a JSON list of objects. Found {_kind(rows)}. Write one object a line."
        )
    return [(number, _object(row, f"object {number}")) for number, row in enumerate(rows, 1)]


def _object(row: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError(f"{where} should be a JSON object. Found {_kind(row)}.")
    return row


def _kind(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return repr(value)[:60]
