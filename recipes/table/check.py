"""A pass over all rows before the training: which cannot be used, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.table.cells import BadCell, Row
from sennit.recipes.table.media import UNREADABLE
from sennit.recipes.table.rows import Rows
from sennit.recipes.table.schema import Schema

from sennit.files import write_text

_THREADS = 8  # they mostly wait for the disk


@dataclass(frozen=True)
class Check:
    """The result of a pass over rows.

    Attributes:
        bad: Faults of each row that has any, by position.
        unlabelled: Positions of the rows without any label.
        notes: Remarks about files, with their number and the row of the first.
    """

    bad: dict[int, list[BadCell]] = field(default_factory=dict)
    unlabelled: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def refuse(self) -> None:
        """Raise the first fault, with the number of bad rows.

        Raises:
            BadCell: There is a fault.
        """
        if not self.bad:
            return
        first = next(iter(self.bad.values()))[0]
        total = f" Bad rows in all: {len(self.bad)}." if len(self.bad) > 1 else ""
        raise BadCell(f"{first}{total} Fix the data, or leave such rows out with --skip-bad-rows.")


def check_rows(
    rows: Rows,
    schema: Schema,
    *,
    indices: Sequence[int] | None = None,
    decode: bool = False,
    labelled: bool = True,
) -> Check:
    """Check every cell that the schema reads, and the headers of the files.

    Args:
        rows: Table.
        schema: Complete schema.
        indices: Positions of the rows to check; all by default.
        decode: Whether to read the files to the end, so that a damaged one cannot stop the training
            later; this takes about as long as reading them for an epoch.
        labelled: Whether to check the columns of the targets.
    """
    indices = range(rows.size) if indices is None else indices
    result = Check()
    remarks: dict[str, list[int]] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        checked = pool.map(lambda i: _check(rows.row(i), schema, decode, labelled), indices)
        for i, (faults, row_remarks, has_label) in zip(indices, checked, strict=True):
            if faults:
                result.bad[i] = faults
            elif not has_label:
                result.unlabelled.add(i)
            for remark in row_remarks:
                remarks.setdefault(remark, []).append(i + rows.first)
    for remark, numbers in remarks.items():
        result.notes.append(f"{remark}: {len(numbers)} files, the first in row {numbers[0]}.")
    return result


def _check(row: Row, schema: Schema, decode: bool, labelled: bool) -> tuple[list[BadCell], list[str], bool]:
    """Return the faults of a row, remarks about its files, and whether it has a label."""
    faults, remarks, has_label = [], [], False
    for name, spec in schema.inputs.items():
        try:
            remark = spec.check(row, decode=decode)
            if remark is not None:
                remarks.append(f"{name} {remark}")
        except BadCell as error:
            faults.append(error)
        except UNREADABLE as error:
            column = spec.column_names[0]
            faults.append(row.bad(column, f"names '{row.text(column)}': {error}"))
    for target in schema.targets.values() if labelled else ():
        try:
            has_label |= target.value(row) is not None
        except BadCell as error:
            faults.append(error)
    if all(row.text(column) is None for column in schema.input_columns):
        faults.append(schema.blank(row))
    return faults, remarks, has_label


def write_bad_rows(path: Path, rows: Rows) -> None:
    """Write ``row, column, problem`` of the rows that are left out as a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["row", "column", "problem"])
    for i, faults in rows.bad.items():
        writer.writerows([i + rows.first, fault.column, fault.problem] for fault in faults)
    write_text(path, text.getvalue())
