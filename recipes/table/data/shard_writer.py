"""Rows of a table written as WebDataset shards."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.disk_faults import make_folder, writing
from sennit.extras import require
from sennit.files import read_json_object, write_json
from sennit.recipes.table.data.dataset import TableDataset
from sennit.recipes.table.data.shards import COUNTS
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import write_schema


def write_shards(dataset: TableDataset, prefix: str | Path, *, samples_per_shard: int) -> list[Path]:
    """Write rows with the contents of their files as ``<prefix>-000000.tar`` and so on.

    ``schema.yaml`` and ``shards.json``, the number of samples in each shard of the folder, go beside them.
    Shards of an earlier call with the same prefix are replaced, once all of the new ones are on the disk.

    Args:
        dataset: Dataset whose schema's columns are written; nothing is decoded.
        prefix: Folder and beginning of the file names: ``shards/train``.
        samples_per_shard: Number of samples in every shard except the last.

    Returns:
        Paths of the shards.

    Raises:
        BadCell: A file cannot be read.
        OSError: A shard cannot be written; the earlier ones stay.
        ImportError: webdataset is not installed.
    """
    folder, name = make_folder(Path(prefix).parent), Path(prefix).name
    schema = dataset.schema
    files = {
        c: spec.read(dataset.rows) for spec in schema.inputs.values() if spec.file for c in spec.column_names
    }
    path = folder / COUNTS
    earlier = read_json_object(path) if path.exists() else {}
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as new:
        with writing(folder / f"{name}-*.tar"):
            counts = _write(dataset, files, Path(new) / name, samples_per_shard)
        for old in folder.glob(f"{name}-??????.tar"):
            old.unlink()
        for shard in counts:
            os.replace(Path(new) / shard, folder / shard)
    kept = {k: v for k, v in earlier.items() if not k.startswith(f"{name}-")}
    write_json(path, {**kept, **counts})
    write_schema(folder / "schema.yaml", schema)
    return [folder / shard for shard in counts]


def _write(
    dataset: TableDataset, files: Mapping[str, Sequence[Any]], prefix: Path, samples_per_shard: int
) -> dict[str, int]:
    """Write the shards; return the number of samples in each."""
    schema, rows, writers = dataset.schema, dataset.rows, require("webdataset", "table")
    columns = [*schema.input_columns, *schema.target_columns]
    blank = {column: rows.blank(column) for column in columns}
    counts: dict[str, int] = {}
    with writers.ShardWriter(f"{prefix}-%06d.tar", maxcount=samples_per_shard, verbose=0) as writer:
        for i in dataset.indices:
            cells = {c: rows.cells(c)[i] for c in columns if not blank[c][i]}
            sample: dict[str, Any] = {"__key__": f"{rows.row_numbers[i]:09d}"}
            for k, column in enumerate(c for c in files if c in cells):
                file = files[column][i]
                ending = f"{k}{'' if isinstance(file, bytes) else Path(file).suffix.lower()}"
                sample[ending] = file if isinstance(file, bytes) else _contents(rows, i, column, file)
                cells[column] = ending
            writer.write({**sample, "json": json.dumps(cells, default=str).encode()})
            shard = Path(writer.fname).name
            counts[shard] = counts.get(shard, 0) + 1
    return counts


def _contents(rows: Rows, i: int, column: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise rows.fault(i, column, f"cannot be read: {error}") from None
