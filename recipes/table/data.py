"""The rows of a table as a dataset, and written as shards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.data import Sample
from sennit.recipes.table.cells import BadCell, Row
from sennit.recipes.table.check import check_rows
from sennit.recipes.table.rows import Rows, read_rows
from sennit.recipes.table.schema import Preprocess, Schema, read_schema, write_schema
from sennit.recipes.table.shards import COUNTS
from torch.utils.data import Dataset

from sennit.extras import require
from sennit.files import write_json

if TYPE_CHECKING:
    import polars as pl


class TableDataset(Dataset[Sample]):
    """The rows of a table as samples, of which any input and any target may be missing.

    Args:
        data: A ``.csv``, a ``.parquet``, a folder that holds one folder for each class, or a data frame.
        schema: Meaning of its columns. Classes, labels, categories and channels that it leaves open are
            taken from these rows, so pass the training rows' ``dataset.schema`` to datasets of other rows.
        indices: Positions of the rows to serve, counted from 0; all by default.
        preprocess: ``model.preprocessing(training=True)``, which turns raw samples into tensors. It reads
            the files, so they are read in the workers of a loader.
        skip_bad_rows: Whether to read everything once, now, and leave out the rows that cannot be used.
        labelled: Whether the table has the columns of the targets.

    Attributes:
        schema: Complete schema.
        bad_rows: Faults of the rows that are left out, by position.

    Raises:
        ValueError: A column is missing.
        BadCell: A row that cannot be used is requested; row and column are named.

    Example:
        >>> import polars
        >>> cells = {"caption": ["a dog", None], "kind": ["animal", "thing"], "legs": [4, 3]}
        >>> frame = polars.DataFrame(cells)
        >>> data = TableDataset(frame, Schema.of({
        ...     "inputs": {
        ...         "caption": {"kind": "text", "column": "caption"},
        ...         "measures": {"kind": "table", "numbers": ["legs"]},
        ...     },
        ...     "targets": {"kind": {"kind": "class", "column": "kind"}},
        ... }))
        >>> data[1]
        {'inputs': {'measures': [3.0]}, 'targets': {'kind': 1}, 'index': 1}
    """

    def __init__(
        self,
        data: str | Path | pl.DataFrame | Rows,
        schema: Schema | str | Path,
        *,
        indices: Sequence[int] | None = None,
        preprocess: Preprocess | None = None,
        skip_bad_rows: bool = False,
        labelled: bool = True,
    ) -> None:
        self.rows = read_rows(data)
        schema = schema if isinstance(schema, Schema) else read_schema(schema)
        schema.check_columns(self.rows, labelled=labelled)
        self.indices = list(range(self.rows.size) if indices is None else indices)
        self.schema = schema.complete(self.rows, self.indices) if labelled else schema
        self.preprocess, self.labelled = preprocess, labelled
        self.bad_rows: Mapping[int, list[BadCell]] = {}
        if skip_bad_rows:
            self.bad_rows = check_rows(
                self.rows, self.schema, indices=self.indices, decode=True, labelled=labelled
            ).bad
            self.indices = [i for i in self.indices if i not in self.bad_rows]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Sample:
        row = self.rows.row(self.indices[i])
        return self.schema.sample(row, preprocess=self.preprocess, labelled=self.labelled)


def write_shards(dataset: TableDataset, prefix: str | Path, *, samples_per_shard: int) -> list[Path]:
    """Write rows with the contents of their files as ``<prefix>-000000.tar`` and so on.

    ``schema.yaml`` and ``shards.json``, the number of samples in each shard of the folder, go beside them.

    Args:
        dataset: Dataset whose schema's columns are written; nothing is decoded.
        prefix: Folder and beginning of the file names: ``shards/train``.
        samples_per_shard: Number of samples in every shard except the last.

    Returns:
        Paths of the shards.

    Raises:
        BadCell: A file cannot be read.
        ImportError: webdataset is not installed.
    """
    writers = require("webdataset", "table")
    folder, name = Path(prefix).parent, Path(prefix).name
    folder.mkdir(parents=True, exist_ok=True)
    schema = dataset.schema
    files = [c for spec in schema.inputs.values() if spec.file for c in spec.column_names]
    columns = [*schema.input_columns, *schema.target_columns]
    counts: dict[str, int] = {}
    with writers.ShardWriter(f"{folder / name}-%06d.tar", maxcount=samples_per_shard, verbose=0) as writer:
        for row in dataset.rows.select(dataset.indices):
            cells = {c: row.cells[c] for c in columns if row.text(c) is not None}
            sample: dict[str, Any] = {"__key__": f"{row.index:09d}"}
            for k, column in enumerate(c for c in files if c in cells):
                ending = f"{k}{Path(str(cells[column])).suffix.lower()}"
                sample[ending] = _contents(row, column)
                cells[column] = ending
            writer.write({**sample, "json": json.dumps(cells, default=str).encode()})
            shard = Path(writer.fname).name
            counts[shard] = counts.get(shard, 0) + 1
    path = folder / COUNTS
    earlier = json.loads(path.read_text()) if path.exists() else {}
    kept = {k: v for k, v in earlier.items() if not k.startswith(f"{name}-")}
    write_json(path, {**kept, **counts})
    write_schema(folder / "schema.yaml", schema)
    return [folder / shard for shard in counts]


def _contents(row: Row, column: str) -> bytes:
    try:
        return Path(str(row.file(column))).read_bytes()
    except OSError as error:
        raise row.bad(column, f"cannot be read: {error}") from None
