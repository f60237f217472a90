"""Copies among the rows of a table: the same cells, or files of the same contents."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.split_base import joined

_CHANCE = math.log(0.01)  # of the number of rows that would equal a given one if columns were independent
_MOST_ALIKE = 0.2  # share of the rows, or 2 of them, that may share a file before it is a placeholder
_THREADS = 8
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Copies:
    """Copies among rows.

    Attributes:
        units: Unit of each row; those of one are copies, directly or by way of others.
        notes: Remarks, one sentence each.
    """

    units: Sequence[Hashable]
    notes: Sequence[str] = ()

    @property
    def count(self) -> int:
        """Number of rows that have a copy."""
        return sum(n for n in Counter(self.units).values() if n > 1)


def find_copies(rows: Rows, schema: Schema) -> Copies:
    """Find the rows with the same cells in the schema's columns, or that share the contents of a file.

    Rows of few and common values agree by chance: they are no copies. A file that very many rows share is a
    placeholder, and does not join them.

    Args:
        rows: Table.
        schema: Meaning of its columns.
    """
    units: Sequence[Hashable] = _alike(rows, schema)
    notes = []
    for name, spec in schema.inputs.items():
        if not spec.file:
            continue
        keys = _contents(spec.read(rows))
        counts = Counter(key for key in keys if key is not None)
        common = {k for k, n in counts.items() if n > max(2, _MOST_ALIKE * len(rows))}
        if common:
            shared = sum(counts[key] for key in common)
            files = "a file" if len(common) == 1 else f"{len(common)} files"
            notes.append(f"{shared} rows share {files} of '{name}': no reason to group them.")
        units = joined(
            [("row", i) if key is None or key in common else key for i, key in enumerate(keys)], units
        )
    return Copies(units, notes)


def without_copies(
    subsets: Mapping[str, list[int]], units: Sequence[Hashable]
) -> tuple[dict[str, list[int]], int]:
    """Return the subsets without the training rows that have a copy in another one, and their number.

    Validation rows with a copy among the test rows are left out, too.
    """
    kept = {name: list(indices) for name, indices in subsets.items()}
    for name, others in (("validation", ("test",)), ("train", ("validation", "test"))):
        held = {units[i] for other in others for i in kept[other]}
        kept[name] = [i for i in kept[name] if units[i] not in held]
    return kept, sum(map(len, subsets.values())) - sum(map(len, kept.values()))


def refuse_copies(rows: Rows, subsets: Mapping[str, list[int]], units: Sequence[Hashable]) -> None:
    """Refuse copies in two subsets.

    Raises:
        BadCell: There are some; both rows are named.
    """
    first: dict[Hashable, tuple[str, int]] = {}
    for subset, indices in subsets.items():
        for i in indices:
            other, earlier = first.setdefault(units[i], (subset, i))
            if other != subset:
                raise rows.fault(
                    i,
                    "",
                    f"should be no copy of a row of another part. Found the same cells or the same file in "
                    f"row {rows.row_numbers[earlier]}: {subset} and {other}. Remove one, or group "
                    f"copies with `duplicates: group`.",
                )


def _alike(rows: Rows, schema: Schema) -> list[Hashable]:
    """Return the unit of each row by its cells, of which copies share one that is not chance."""
    columns = dict.fromkeys([*schema.input_columns, *schema.target_columns])
    cells = [_keys(rows.cells(column)) for column in columns]
    lines = list(zip(*cells, strict=True))
    repeated = {line for line, count in Counter(lines).items() if count > 1}
    if repeated:
        others = [{x: math.log((n - 1) / len(rows)) for x, n in Counter(c).items() if n > 1} for c in cells]
        size = math.log(len(rows))
        repeated = {
            line
            for line in repeated
            if size + sum(share[x] for share, x in zip(others, line, strict=True)) < _CHANCE
        }
    if sum(line in repeated for line in lines) > len(rows) / 2:  # the columns say little
        repeated = set()
    return [line if line in repeated else i for i, line in enumerate(lines)]


def _keys(cells: Sequence[Any]) -> list[Hashable]:
    return [cell.strip() for cell in cells] if {*map(type, cells)} == {str} else [*map(_key, cells)]


def _key(cell: Any) -> Hashable:
    if isinstance(cell, bytes):
        return hashlib.blake2b(cell).digest()
    return cell.strip() if isinstance(cell, str) else repr(cell)


def _contents(files: Sequence[Any]) -> list[Hashable | None]:
    """Return a key of the contents of each file; only files of the same size are read."""
    paths = {file for file in files if isinstance(file, str)}
    sizes = {path: size for path in paths if (size := _size(path)) is not None}
    counts = Counter(sizes.values())
    alike = [path for path, size in sizes.items() if counts[size] > 1]
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = dict(zip(alike, pool.map(_digest, alike), strict=True))
    return [
        hashlib.blake2b(file).digest()
        if isinstance(file, bytes)
        else digests.get(file, file)
        if isinstance(file, str) and file in sizes
        else None
        for file in files
    ]


def _size(path: str) -> int | None:
    """Return the size of a file; None where there is none, which the check of the rows refuses."""
    place = Path(path)
    return place.stat().st_size if "://" not in path and place.is_file() else None


def _digest(path: str) -> bytes:
    digest = hashlib.blake2b()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
