"""The rows of a table as samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor
from torch.utils.data import Dataset

from sennit.data import AugmentationError, Preprocessing, Sample
from sennit.recipes.table.data.check import blank_row, check_rows
from sennit.recipes.table.data.columnar import table_tensors
from sennit.recipes.table.data.notes import unseen_notes
from sennit.recipes.table.reading.media import UNREADABLE
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema, read_schema

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")
Preprocess = Callable[[Sample], Sample]


class Samples:
    """The samples of rows, as a complete schema reads them.

    Args:
        rows: Rows of a table, or the one row that a sample of a shard is.
        schema: Complete schema.
        preprocess: ``model.preprocessing()``, which turns raw values into tensors; raw by default.
        labelled: Whether the rows have the columns of the targets.
        tensors: Tensors of inputs that are preprocessed already, with a row for each of the table.
    """

    def __init__(
        self,
        rows: Rows,
        schema: Schema,
        *,
        preprocess: Preprocess | None = None,
        labelled: bool = True,
        tensors: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.rows = rows = rows.with_missing(schema.missing)
        self.schema, self.preprocess, self.tensors = schema, preprocess, tensors
        self._inputs = {name: spec.read(rows) for name, spec in schema.inputs.items()}
        targets = schema.targets if labelled else {}
        self._labels = {name: target.read(rows) for name, target in targets.items()}

    def __getitem__(self, i: int) -> Sample:
        """Return a row as a sample, of which any input and any target may be absent.

        Raises:
            BadCell: A cell or its file cannot be used, or every input is blank.
        """
        for fault in self.rows.bad.get(i, ()):
            raise fault
        inputs = {name: self._input(name, i) for name in self._inputs if self._inputs[name][i] is not None}
        if not inputs:
            raise blank_row(self.rows, i, self.schema)
        labels = {name: _valid(column[i]) for name, column in self._labels.items()}
        return {
            "inputs": inputs,
            "targets": {name: label for name, label in labels.items() if label is not None},
            "index": self.rows.row_numbers[i],
        }

    def _input(self, name: str, i: int) -> Any:
        spec, value = self.schema.inputs[name], _valid(self._inputs[name][i])
        if name in self.tensors:
            return self.tensors[name][i]
        try:
            if spec.file:
                value = spec.load(value)
            if self.preprocess is not None:
                sample = {"inputs": {name: value}, "index": self.rows.row_numbers[i]}
                value = self.preprocess(sample)["inputs"][name]
                if spec.file:
                    spec.check_ready(value)
        except AugmentationError:
            raise
        except UNREADABLE as error:
            problem = f"cannot be read: {error.__cause__ or error}"
            raise self.rows.fault(i, spec.column_names[0], problem) from error
        return value


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
        rows: Table.
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
        schema = schema if isinstance(schema, Schema) else read_schema(schema)
        rows = read_rows(data, skip_bad_rows=skip_bad_rows, separator=schema.separator)
        self.rows = schema.reading(rows, labelled=labelled)
        self.indices = list(range(len(self.rows)) if indices is None else indices)
        if labelled:
            schema = schema.complete(self.rows if indices is None else self.rows.take(self.indices))
        self.schema = schema
        for note in unseen_notes(self.rows, schema):
            warnings.warn(note, stacklevel=2)
        self.bad_rows: Mapping[int, list[BadCell]] = {}
        if skip_bad_rows:
            check = check_rows(self.rows, self.schema, indices=self.indices, decode=True, labelled=labelled)
            self.bad_rows = check.bad
            self.indices = [i for i in self.indices if i not in self.bad_rows]
        tensors: Mapping[str, Tensor] = {}
        if isinstance(preprocess, Preprocessing):
            tensors = table_tensors(self.rows, self.schema, preprocess.encoders)
        self._samples = Samples(
            self.rows, self.schema, preprocess=preprocess, labelled=labelled, tensors=tensors
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Sample:
        return self._samples[self.indices[i]]


def _valid(value: T | BadCell) -> T:
    if isinstance(value, BadCell):
        raise value
    return value
