"""Rows of tables as tensors that are made once, column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.data import Batch, Collate, SampleReader
from sennit.data.validation import check_finite, label_flags
from sennit.recipes.table.data.check import blank_row
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput


def table_tensors(rows: Rows, schema: Schema, encoders: Mapping[str, SampleReader]) -> dict[str, Tensor]:
    """Return the tensors of all rows for each input of numbers and categories.

    A blank cell, and one that cannot be used, is NaN.

    Args:
        rows: Table.
        schema: Complete schema.
        encoders: Encoder of each input.

    Shape:
        ``[rows, columns]`` each.
    """
    return {
        name: encoders[name].columns_to_tensor([_array(cells) for cells in spec.columns(rows)])
        for name, spec in schema.inputs.items()
        if isinstance(spec, TableInput) and encoders[name].reads_columns
    }


def is_columnar(schema: Schema, encoders: Mapping[str, SampleReader]) -> bool:
    """Return whether all inputs are numbers and categories, so that a batch holds whole columns."""
    return all(isinstance(s, TableInput) and encoders[n].reads_columns for n, s in schema.inputs.items())


def columnar_batch(
    rows: Rows,
    schema: Schema,
    indices: Sequence[int],
    *,
    encoders: Mapping[str, SampleReader],
    collate: Collate,
    scaled: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({}),
) -> Batch:
    """Return rows as one batch, whose rows are those of `TableDataset` behind ``collate``.

    Args:
        rows: Table.
        schema: Complete schema, in which all inputs are numbers and categories.
        indices: Positions of the rows.
        encoders: Encoder of each input.
        collate: ``model.collate``; one without targets reads none.
        scaled: Functions that standardise the values of number targets, by target.

    Raises:
        BadCell: A row cannot be used; row and column are named.
    """
    for i in indices if rows.bad else ():
        for fault in rows.bad.get(i, ()):
            raise fault
    for spec in schema.inputs.values():
        assert isinstance(spec, TableInput)
        for cells in spec.columns(rows):
            _refuse_faults(cells, indices)
    chosen = torch.as_tensor(indices)
    ids = [rows.row_numbers[i] for i in indices]
    whole = {n: x.index_select(0, chosen) for n, x in table_tensors(rows, schema, encoders).items()}
    present = {name: ~x.isnan().all(1) for name, x in whole.items()}
    for name, spec in schema.inputs.items():
        assert isinstance(spec, TableInput)
        unseen = set(spec.only_unseen(rows, spec.columns(rows)))
        present[name] |= torch.tensor([i in unseen for i in indices])
    empty = ~torch.stack([*present.values()]).any(0)
    if bool(empty.any()):
        raise blank_row(rows, indices[int(empty.nonzero()[0])], schema)
    inputs = {name: torch.where(present[name].unsqueeze(1), x, 0.0) for name, x in whole.items()}
    targets, labelled = {}, {}
    for name, spec_of_target in collate.targets.items():
        column = schema.targets[name].read(rows)
        _refuse_faults(column, indices)
        targets[name], labelled[name] = spec_of_target.stack(name, [column[i] for i in indices], ids)
        if name in scaled:
            blank = [float("nan")] * labelled[name].shape[1]
            values = torch.tensor([column[i] or blank for i in indices], dtype=torch.float64)
            targets[name] = torch.where(labelled[name], scaled[name](values), 0.0)
    index = torch.tensor(ids)
    allows_nan = frozenset(name for name, spec in collate.inputs.items() if spec.allows_nan)
    check_finite(inputs, {}, present, index=index, allows_nan=allows_nan)
    return Batch(
        inputs=inputs,
        present=present,
        all_present=all(bool(p.all()) for p in present.values()),
        index=index,
        targets=targets,
        labelled=labelled,
        **label_flags(labelled),
    )


def _array(cells: Sequence[Any]) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)  # None becomes NaN
    except TypeError:
        return np.array([np.nan if isinstance(x, BadCell) else x for x in cells], dtype=np.float64)


def _refuse_faults(cells: Sequence[Any], indices: Sequence[int]) -> None:
    for i in indices:
        if isinstance(cells[i], BadCell):
            raise cells[i]
