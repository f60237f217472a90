"""Rows of a table written as WebDataset shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sennit.recipes.table.data import TableDataset
from sennit.recipes.table.row import Row
from sennit.recipes.table.schema import write_schema
from sennit.recipes.table.shards import COUNTS

from sennit.extras import require
from sennit.files import write_json


def write_shards(dataset: TableDataset, prefix: str | Path, *, samples_per_shard: int) -> list[Path]:
    """Write rows with the contents of their files as ``<prefix>-000000.tar`` and on.

    Beside them go ``schema.yaml`` and ``shards.json``, the number of samples in each shard of the folder.

    Args:
        dataset: Its schema's columns are written; nothing is decoded.
        prefix: Folder and first part of the name: ``shards/train``.
        samples_per_shard: In all shards but the last.

    Returns:
        The shards.

    Raises:
        BadCell: A file cannot be read.
        ImportError: webdataset is not installed.
    """
    writers = require("webdataset", "table")
    folder, name = Path(prefix).parent, Path(prefix).name
    folder.mkdir(parents=True, exist_ok=True)
    inputs, targets = dataset.schema.inputs.values(), dataset.schema.targets.values()
    files = [c for part in inputs if part.file for c in part.column_names]
    columns = [c for part in inputs for c in part.column_names]
    columns += [c for target in targets for c in target.column_names]
    counts: dict[str, int] = {}
    with writers.ShardWriter(f"{folder / name}-%06d.tar", maxcount=samples_per_shard, verbose=0) as writer:
        for i in dataset.rows:
            row = dataset.source.row(i)
            cells = {c: row.cells[c] for c in columns if row.text(c) is not None}
            sample: dict[str, Any] = {"__key__": f"{i + dataset.source.first:09d}"}
            for k, column in enumerate(c for c in files if c in cells):
                ending = f"{k}{Path(str(cells[column])).suffix.lower()}"
                sample[ending] = _contents(row, column)
                cells[column] = ending
            writer.write({**sample, "json": json.dumps(cells, default=str).encode()})
            shard = Path(writer.fname).name
            counts[shard] = counts.get(shard, 0) + 1
    known = folder / COUNTS
    earlier = json.loads(known.read_text()) if known.exists() else {}
    kept = {k: v for k, v in earlier.items() if not k.startswith(f"{name}-")}
    write_json(known, {**kept, **counts})
    write_schema(folder / "schema.yaml", dataset.schema)
    return [folder / shard for shard in counts]


def _contents(row: Row, column: str) -> bytes:
    try:
        return Path(str(row.file(column))).read_bytes()
    except OSError as error:
        raise row.bad(column, f"cannot be read: {error}") from None
