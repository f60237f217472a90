"""The data of a run: rows to train on, to choose the epoch by, and to test with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.table.check import Checked, check_rows
from sennit.recipes.table.data import Preprocess, TableDataset
from sennit.recipes.table.guess import guess_schema
from sennit.recipes.table.schema import Schema, read_schema
from sennit.recipes.table.shards import ShardDataset
from sennit.recipes.table.source import Source, read_source
from sennit.recipes.table.splits import PARTS

Dataset = TableDataset | ShardDataset


@dataclass(frozen=True)
class Parts:
    """Opens the datasets of a run.

    Attributes:
        schema: With nothing left open.
        rows: Of the table, by part; a part that is empty is left out.
        shards: The pattern of the shards, by part, where the data are shards.
        source: The table, where they are none.
        checked: What the pass over its rows found.
    """

    schema: Schema
    rows: Mapping[str, list[int]] = field(default_factory=dict)
    shards: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None
    checked: Checked = field(default_factory=Checked)

    def __contains__(self, part: str) -> bool:
        return part in self.rows or part in self.shards

    def open(
        self, part: str, *, preprocess: Preprocess | None = None, schema: Schema | None = None, seed: int = 0
    ) -> Dataset:
        """The dataset of a part; with another ``schema``, fewer of its inputs."""
        schema = schema or self.schema
        if self.source is None:
            shuffle = part == "train"
            return ShardDataset(self.shards[part], schema, preprocess=preprocess, seed=seed, shuffle=shuffle)
        return TableDataset(self.source, schema, rows=self.rows[part], preprocess=preprocess)

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: len(self.open(part)) for part in PARTS if part in self}


def load_parts(data: str, schema: str | Path | None, *, skip_bad_rows: bool = False) -> Parts:
    """Read a table, split it, and look at every row; or find the shards.

    Raises:
        FileNotFoundError: No data or no schema.
        ValueError: A column is missing, a group is in two parts, or a target has no label.
        BadCell: A row cannot be used, and bad rows are not to be skipped.
    """
    if data.endswith(".tar"):
        return _shards(data, schema)
    source = read_source(data)
    if schema is None:
        if not Path(data).is_dir():
            raise FileNotFoundError(
                f"a table needs a schema. Write one with `--data {data} --guess-schema schema.yaml`, edit "
                f"it, and give it with `--schema schema.yaml`."
            )
        declared = guess_schema(source).schema
    else:
        declared = read_schema(schema)
    declared.check_columns(source)
    source.check_columns(declared.split.column_names, "the split")
    rows = declared.split.rows(source)
    if not rows["train"]:
        raise ValueError(f"'{source.name}' should have training rows. The split has none: {declared.split}.")
    complete = declared.complete(lambda: source.rows(rows["train"]))
    checked = check_rows(source, complete, decode=skip_bad_rows)
    if not skip_bad_rows:
        checked.refuse()
    # A test row without a label still gets its prediction; elsewhere such rows teach nothing.
    useless = {"train": checked.unlabelled, "validation": checked.unlabelled, "test": set[int]()}
    kept = {
        part: [i for i in own if i not in checked.bad and i not in useless[part]]
        for part, own in rows.items()
    }
    _check_labels(source, complete, kept["train"])
    return Parts(complete, {part: own for part, own in kept.items() if own}, {}, source, checked)


def _check_labels(source: Source, schema: Schema, train: list[int]) -> None:
    for name, target in schema.targets.items():
        if all(target.value(row) is None for row in source.rows(train)):
            raise ValueError(
                f"'{source.name}', column '{target.column_names[0]}' (targets.{name}) should hold a label in "
                f"some training row. Found {len(train)} rows, each blank or left out."
            )


def _shards(pattern: str, schema: str | Path | None) -> Parts:
    """Training shards, and those of the other parts: ``validation-*.tar``, ``test-*.tar`` beside them."""
    folder = Path(pattern).parent
    found = {"train": pattern}
    for part in PARTS[1:]:
        own = sorted(folder.glob(f"{part}-*.tar")) if not re.search("[:]", pattern) else []
        if own:
            found[part] = "::".join(map(str, own))
    return Parts(read_schema(schema or folder / "schema.yaml"), shards=found)
