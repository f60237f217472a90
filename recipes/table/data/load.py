"""The data of a run: a complete schema, and rows to train on, to choose the epoch by, and to test with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sennit.recipes.table.data.alike_notes import alike_notes, shared_id_notes
from sennit.recipes.table.data.check import check_rows
from sennit.recipes.table.data.dataset import Preprocess, TableDataset
from sennit.recipes.table.data.notes import (
    missing_notes,
    one_class_notes,
    twin_notes,
    unseen_notes,
    untrained_notes,
)
from sennit.recipes.table.data.shards import ShardDataset, Shards, find_shards
from sennit.recipes.table.data.subsets import split_subsets
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema, read_schema

_WHOLE = 1000
"""Rows of a table up to which all files are read to the end before the training."""


def load_data(
    data: str, schema: str | Path | None, *, skip_bad_rows: bool = False
) -> tuple[Schema, Rows | Shards]:
    """Read a table, split it and check every row; or find the shards.

    Args:
        data: A ``.csv``, a ``.parquet``, a folder that holds one folder for each class, or shards.
        schema: YAML file; the folder of shards holds one, and that of a folder for each class is guessed.
        skip_bad_rows: Whether to leave out the rows that cannot be used, which reads every file once;
            otherwise, in tables of more than 1,000 rows, only the headers of the training rows' files.

    Returns:
        The complete schema, and the rows with their subsets. Training and validation rows have a label.

    Raises:
        FileNotFoundError: There is no such data or schema.
        ValueError: A column is missing, a group is in two subsets, or a target has no label.
        BadCell: A row cannot be used, and bad rows are not to be skipped.
    """
    if data.endswith(".tar"):
        return read_schema(schema or Path(data).parent / "schema.yaml"), find_shards(data)
    given = None if schema is None else read_schema(schema)
    rows = read_rows(data, skip_bad_rows=skip_bad_rows, separator=None if given is None else given.separator)
    if given is not None:
        declared = given
    elif Path(data).is_dir():
        declared = guess_schema(rows).schema
    else:
        raise FileNotFoundError(
            f"a table needs a schema. Write one with `sennit table guess {data} --out schema.yaml`, edit "
            f"it, and give it with `--schema schema.yaml`."
        )
    return split_rows(rows, declared, skip_bad_rows=skip_bad_rows)


def split_rows(rows: Rows, declared: Schema, *, skip_bad_rows: bool = False) -> tuple[Schema, Rows]:
    """Split a table as its schema declares, check every row, and complete the schema; see `load_data`."""
    rows = declared.reading(rows)
    subsets, copies = split_subsets(rows, declared)
    schema = declared.complete(rows.take(subsets["train"]))
    small = skip_bad_rows or len(rows) <= _WHOLE
    tested = range(len(rows)) if small else [*subsets["validation"], *subsets["test"]]
    check = check_rows(rows, schema, decode=set(tested))
    if not skip_bad_rows:
        check.refuse()
    # A test row without a label still gets its prediction; elsewhere such rows teach nothing.
    unused = {"train": check.bad.keys() | check.unlabelled, "test": check.bad.keys()}
    unused["validation"] = unused["train"]
    kept = {name: [i for i in indices if i not in unused[name]] for name, indices in subsets.items()}
    notes = [*rows.notes, *missing_notes(rows, schema), *unseen_notes(rows, schema), *check.notes, *copies]
    if check.unlabelled:
        notes.append(f"{len(check.unlabelled)} rows without any label are not trained on.")
    notes += [*alike_notes(schema), *shared_id_notes(rows, schema)]
    notes += untrained_notes(rows, schema, kept["train"])
    notes += one_class_notes(rows, schema, kept)
    notes += twin_notes(rows, schema, kept["train"])
    rows = replace(rows, subsets={k: v for k, v in kept.items() if v}, bad=check.bad, notes=notes)
    _check_labels(rows, schema, kept["train"])
    return schema, rows


def _check_labels(rows: Rows, schema: Schema, train: list[int]) -> None:
    for name, target in schema.targets.items():
        labels = target.read(rows)
        if all(labels[i] is None for i in train):
            raise ValueError(
                f"'{rows.name}', column '{target.column_names[0]}' (targets.{name}) should hold a label in "
                f"some training row. Found {len(train)} rows, each blank or left out."
            )


def open_subset(
    rows: Rows | Shards, schema: Schema, subset: str, *, preprocess: Preprocess | None = None, seed: int = 0
) -> TableDataset | ShardDataset:
    """Return the dataset of a subset; training shards are read in an order that depends on the seed."""
    if isinstance(rows, Shards):
        shuffle = subset == "train"
        pattern = rows.patterns[subset]
        return ShardDataset(pattern, schema, preprocess=preprocess, seed=seed, shuffle=shuffle)
    return TableDataset(rows, schema, indices=rows.subsets[subset], preprocess=preprocess)
