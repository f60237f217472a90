"""A pass over all rows before the training: which cannot be used, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sennit.files import write_text
from sennit.recipes.table.reading.media import UNREADABLE
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema

_THREADS = 8  # they mostly wait for the disk

Cells = Sequence[Any]


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
    decode: bool | Collection[int] = False,
    labelled: bool = True,
) -> Check:
    """Check every cell that the schema reads, and the headers of the files.

    Args:
        rows: Table.
        schema: Complete schema.
        indices: Positions of the rows to check; all by default.
        decode: Whether to read the files to the end, or the positions of the rows whose files are, so that a
            damaged one cannot stop the training later; this takes about as long as reading them for an epoch.
        labelled: Whether to check the columns of the targets.
    """
    indices = range(len(rows)) if indices is None else indices
    whole = (indices if decode else ()) if isinstance(decode, bool) else decode
    made = {name: spec.make_check() for name, spec in schema.inputs.items()}
    checks = {name: check for name, check in made.items() if check is not None}
    inputs = {name: spec.read(rows) for name, spec in schema.inputs.items()}
    targets = schema.targets if labelled else {}
    labels = [target.read(rows) for target in targets.values()]

    def check_row(i: int) -> tuple[list[BadCell], list[str]]:
        """Return the faults of a row, and remarks about its files."""
        values = {name: column[i] for name, column in inputs.items()}
        faults = list(rows.bad.get(i, ()))
        cells = (*values.values(), *(column[i] for column in labels))
        faults += [cell for cell in cells if isinstance(cell, BadCell)]
        remarks = []
        for name, check in checks.items():
            value = values[name]
            if value is None or isinstance(value, BadCell):
                continue
            try:
                remark = check(value, i in whole)
            except UNREADABLE as error:
                faults.append(rows.file_fault(i, schema.inputs[name].column_names[0], error))
            else:
                remarks += [] if remark is None else [f"{name} {remark}"]
        if not faults and all(value is None for value in values.values()):
            faults.append(blank_row(rows, i, schema))
        return faults, remarks

    result = Check()
    rows_of: dict[str, list[int]] = {}
    suspects: Sequence[int] = indices
    if not checks:  # nothing is opened, so that the other rows have nothing to check
        suspected = _suspects(rows, [*inputs.values()], labels)
        suspects = [i for i in indices if i in suspected]
    with ThreadPoolExecutor(_THREADS) as pool:
        for i, (faults, remarks) in zip(suspects, pool.map(check_row, suspects), strict=True):
            if faults:
                result.bad[i] = faults
            for remark in remarks:
                rows_of.setdefault(remark, []).append(rows.row_numbers[i])
    has_label = _any_value(labels, len(rows))
    result.unlabelled.update(i for i in indices if not has_label[i] and i not in result.bad)
    for remark, numbers in rows_of.items():
        result.notes.append(f"{remark}: {len(numbers)} files, the first in row {numbers[0]}.")
    return result


def _suspects(rows: Rows, inputs: Sequence[Cells], labels: Sequence[Cells]) -> set[int]:
    """Return the positions of the rows with a faulty cell, or without any input."""
    faulty = {i for cells in (*inputs, *labels) for i, cell in enumerate(cells) if isinstance(cell, BadCell)}
    has_input = _any_value(inputs, len(rows))
    return faulty | rows.bad.keys() | {i for i, has in enumerate(has_input) if not has}


def _any_value(columns: Sequence[Cells], size: int) -> list[bool]:
    """Return which rows have a value in one of some columns."""
    has = [False] * size
    for cells in columns:
        has = [flag or cell is not None for flag, cell in zip(has, cells, strict=True)]
    return has


def blank_row(rows: Rows, i: int, schema: Schema) -> BadCell:
    """Return the error for a row without any input."""
    return rows.fault(i, "", f"should have some input. Found every one blank: {', '.join(schema.inputs)}.")


def write_bad_rows(path: Path, rows: Rows) -> None:
    """Write ``row, column, problem`` of the rows that are left out as a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["row", "column", "problem"])
    for i, faults in rows.bad.items():
        writer.writerows([rows.row_numbers[i], fault.column, fault.problem] for fault in faults)
    write_text(path, text.getvalue())
