"""A table of one's own as a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.data import Sample
from sennit.recipes.table.check import check_rows
from sennit.recipes.table.errors import BadCell
from sennit.recipes.table.media import UNREADABLE
from sennit.recipes.table.row import Row
from sennit.recipes.table.schema import Schema, read_schema
from sennit.recipes.table.source import Source, read_source
from torch.utils.data import Dataset

if TYPE_CHECKING:
    import polars as pl

Preprocess = Callable[[Sample], Sample]


class TableDataset(Dataset[Sample]):
    """The rows of a table as samples of which any input and any target may be missing.

    Args:
        data: A ``.csv``, a ``.parquet``, a folder that holds one folder for each class, or a data frame.
        schema: What its columns are. Classes, labels, categories and channels that it leaves open are
            taken from these rows, so give other rows the training rows' ``dataset.schema``.
        rows: Which to serve, counted from 0; all by default.
        preprocess: From raw samples to tensors: ``model.preprocessing(training=True)``. Files are read
            here, so in the workers of a loader.
        skip_bad_rows: Read everything once, now, and leave out the rows that cannot be used.
        labelled: Whether the table has the columns of the targets.

    Attributes:
        schema: With nothing left open.
        bad_rows: Those left out, with what is wrong.

    Raises:
        ValueError: A column is missing.
        BadCell: When a row is asked for that cannot be used; row and column are named.

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
        data: str | Path | pl.DataFrame | Source,
        schema: Schema | str | Path,
        *,
        rows: Sequence[int] | None = None,
        preprocess: Preprocess | None = None,
        skip_bad_rows: bool = False,
        labelled: bool = True,
    ) -> None:
        self.source = read_source(data)
        schema = schema if isinstance(schema, Schema) else read_schema(schema)
        schema.check_columns(self.source, labelled=labelled)
        self.rows = list(range(self.source.size)) if rows is None else list(rows)
        self.schema = schema.complete(lambda: self.source.rows(self.rows)) if labelled else schema
        self.preprocess, self.labelled = preprocess, labelled
        self.bad_rows: dict[int, list[BadCell]] = {}
        if skip_bad_rows:
            checked = check_rows(self.source, self.schema, rows=self.rows, decode=True, labelled=labelled)
            self.bad_rows = checked.bad
            self.rows = [i for i in self.rows if i not in self.bad_rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Sample:
        number = self.rows[i]
        targets = self.schema.targets if self.labelled else {}
        return make_sample(
            self.source.row(number), self.schema, targets, self.preprocess, index=number + self.source.first
        )


def make_sample(
    row: Row, schema: Schema, targets: Any, preprocess: Preprocess | None, *, index: int
) -> Sample:
    """A row as a sample; what cannot be read is named with its column.

    Raises:
        BadCell: A cell that cannot be used, or a row in which every input is blank.
    """
    inputs = {}
    for name, part in schema.inputs.items():
        try:
            value = part.value(row)
            if value is not None and preprocess is not None:
                value = preprocess({"inputs": {name: value}})["inputs"][name]
                part.check_ready(value)
        except BadCell:
            raise
        except UNREADABLE as error:
            raise row.bad(part.column_names[0], f"cannot be read: {error.__cause__ or error}") from error
        if value is not None:
            inputs[name] = value
    if not inputs:
        raise row.bad("", f"should have some input. Found every one blank: {', '.join(schema.inputs)}.")
    labels = {name: target.value(row) for name, target in targets.items()}
    return {
        "inputs": inputs,
        "targets": {name: value for name, value in labels.items() if value is not None},
        "index": index,
    }
