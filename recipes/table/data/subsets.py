"""The subsets of a table: its split, without copies of a row in two of them."""

from __future__ import annotations

from sennit.data.names import plain_number
from sennit.recipes.table.data.duplicates import find_copies, refuse_copies, without_copies
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import ClassTarget, OrdinalTarget

Subsets = dict[str, list[int]]


def split_subsets(rows: Rows, schema: Schema) -> tuple[Subsets, list[str]]:
    """Return the positions of the rows of each subset, and remarks about copies among the rows.

    Args:
        rows: Table.
        schema: Schema, of which ``duplicates`` says what happens to copies: ``"group"`` draws them into one
            subset, and leaves out the training copies of rows that a declared split tests; ``"refuse"``
            refuses copies in two subsets; ``"allow"`` does not look for them.

    Raises:
        BadCell: There are copies in two subsets, and they are to be refused; or the split does not fit.
        ValueError: There are too few rows, or none to train on.
    """
    rows.check_columns(schema.split.column_names, "the split")
    strata = strata_of_rows(schema, rows)
    if schema.duplicates == "allow":
        return _with_training(rows, schema, schema.split.assign(rows, strata)), []
    copies = find_copies(rows, schema)
    if schema.duplicates == "refuse":
        subsets = schema.split.assign(rows, strata)
        refuse_copies(rows, subsets, copies.units)
        return _with_training(rows, schema, subsets), [*copies.notes]
    if not copies.count:
        return _with_training(rows, schema, schema.split.assign(rows, strata)), [*copies.notes]
    assigned = schema.split.assign(rows, strata, copies.units)
    subsets, left_out = without_copies(assigned, copies.units)
    note = f"{copies.count} rows have a copy: the same cells, or the same file"
    if not left_out:
        note += ", and are kept in one part" if schema.split.draws else ", in no other part"
    elif 2 * len(subsets["train"]) < len(assigned["train"]):
        subsets = assigned
        note += f". {left_out} of them are in several parts, too many to leave out of the training"
    else:
        note += f". {left_out} that are tested, or choose the epoch, elsewhere are left out of the training"
    return _with_training(rows, schema, subsets), [*copies.notes, f"{note}. See the key `duplicates`."]


def _with_training(rows: Rows, schema: Schema, subsets: Subsets) -> Subsets:
    if not subsets["train"]:
        sizes = ", ".join(f"{len(places)} {name}" for name, places in subsets.items() if places)
        columns = "".join(f" column '{column}'" for column in schema.split.column_names[:1])
        raise ValueError(
            f"'{rows.name}' should have training rows. The split by{columns or ' ' + schema.split.by} leaves "
            f"{sizes} rows only. Change it under `split:` in the schema."
        )
    return subsets


def strata_of_rows(schema: Schema, rows: Rows) -> list[str | None]:
    """Return the class of each row by the first target of classes, or nothing."""
    kinds = (ClassTarget, OrdinalTarget)
    column = next((t.column for t in schema.targets.values() if isinstance(t, kinds)), None)
    return [] if column is None else [text and plain_number(text) for text in rows.texts(column)]
