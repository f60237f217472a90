"""One pass over all rows before the training: which cannot be used, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.table.errors import BadCell
from sennit.recipes.table.media import UNREADABLE
from sennit.recipes.table.row import Row
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.source import Source
from sennit.recipes.table.targets import Target

from sennit.files import write_text

_THREADS = 8  # they wait for the disk, mostly


@dataclass(frozen=True)
class Checked:
    """What a pass found.

    Attributes:
        bad: By row, counted from 0, what is wrong.
        notes: What is worth knowing, by input: how many files, and the first one's row.
        unlabelled: The rows without any label.
    """

    bad: dict[int, list[BadCell]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unlabelled: set[int] = field(default_factory=set)

    def refuse(self) -> None:
        """Raise the first of the bad cells, with how many rows more there are.

        Raises:
            BadCell: There is one.
        """
        if not self.bad:
            return
        first = next(iter(self.bad.values()))[0]
        count = len(self.bad)
        more = f" Bad rows in all: {count}." if count > 1 else ""
        raise BadCell(f"{first}{more} Mend the data, or leave such rows out with --skip-bad-rows.")


def check_rows(
    source: Source,
    schema: Schema,
    *,
    rows: Sequence[int] | None = None,
    decode: bool = False,
    labelled: bool = True,
) -> Checked:
    """Look at every cell that the schema reads, and at the headers of the files.

    Args:
        source: The table.
        schema: With nothing left open.
        rows: Which to look at; all by default.
        decode: Whether to read the files to their ends, so that a damaged one cannot stop the training
            later; this takes about as long as an epoch's reading.
        labelled: Whether to look at the columns of the targets.
    """
    targets = schema.targets if labelled else {}
    which = range(source.size) if rows is None else rows
    found = Checked()
    notes: dict[str, list[str]] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        looks = pool.map(lambda i: _look(source.row(i), schema, targets, decode), which)
        for i, (bad, said, has_label) in zip(which, looks, strict=True):
            if bad:
                found.bad[i] = bad
            if not has_label and not bad:
                found.unlabelled.add(i)
            for note in said:
                notes.setdefault(note, []).append(f"row {i + source.first}")
    for note, places in notes.items():
        found.notes.append(f"{note}: {len(places)} files, the first in {places[0]}")
    return found


def _look(
    row: Row, schema: Schema, targets: Mapping[str, Target], decode: bool
) -> tuple[list[BadCell], list[str], bool]:
    bad, notes, has_label = [], [], False
    for name, part in schema.inputs.items():
        try:
            note = part.check(row, decode=decode)
            if note is not None:
                notes.append(f"{name} {note}")
        except BadCell as error:
            bad.append(error)
        except UNREADABLE as error:
            bad.append(row.bad(part.column_names[0], f"names '{row.text(part.column_names[0])}': {error}"))
    for target in targets.values():
        try:
            has_label |= target.value(row) is not None
        except BadCell as error:
            bad.append(error)
    if all(row.text(c) is None for part in schema.inputs.values() for c in part.column_names):
        bad.append(row.bad("", f"should have some input. Found every one blank: {', '.join(schema.inputs)}."))
    return bad, notes, has_label


def write_bad_rows(path: Path, source: Source, checked: Checked) -> None:
    """Write ``row, column, problem`` as a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["row", "column", "problem"])
    for i, cells in checked.bad.items():
        writer.writerows([i + source.first, cell.column, cell.problem] for cell in cells)
    write_text(path, text.getvalue())
