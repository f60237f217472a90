"""The table as a recipe of the harness: ``python -m sennit.recipes.compare --recipe table``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from sennit.data import Preprocessing, Sample
from sennit.encoders import Encoder
from sennit.recipes.harness import Splits, TrainedRecipe
from sennit.recipes.table.config import Comparison
from sennit.recipes.table.data.load import load_data, open_subset
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.file_inputs import FileInput
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.model import make_encoders, make_tasks, make_transforms
from sennit.recipes.table.training.scales import TargetScales
from sennit.tasks import Task


class TableRecipe(TrainedRecipe[Comparison]):
    """Fusions and single inputs on your own table, by the split that its schema declares.

    An input alone is trained and tested on the rows that have it. Multi-label targets are learned but not
    shown: the harness compares accuracies of classes, and explained variances.
    """

    name = "table"
    title = "Your own table"
    licence = "The data are your own."
    config = Comparison
    default_fusion = "gated"

    def modalities(self, config: Comparison) -> tuple[str, ...]:
        return tuple(_load(config)[0].inputs)

    def metrics(self, config: Comparison) -> Mapping[str, str]:
        targets = _load(config)[0].targets
        shown = {name: t.monitored for name, t in targets.items() if t.kind in ("class", "number")}
        if not shown:
            raise ValueError(f"a comparison needs a target of classes or numbers. Found {list(targets)}.")
        return shown

    def files(self, config: Comparison) -> list[Path]:
        """Return the table, its schema, and the files that its cells name."""
        complete, rows = _load(config)
        inputs = [spec for spec in complete.inputs.values() if isinstance(spec, FileInput)]
        cells = (Path(file) for spec in inputs for file in rows.files(spec.column) if isinstance(file, str))
        return [*(path for path in _tables(config) if path.is_file()), *cells]

    def data(self, config: Comparison, names: Sequence[str], seed: int) -> Splits:
        complete, rows = _load(config)
        missing = [name for name in ("validation", "test") if name not in rows.subsets]
        if missing:
            raise ValueError(
                f"a comparison needs rows to choose the epoch by and rows to test with. Found no {missing}."
            )
        schema, scales = complete.with_inputs(names), TargetScales.fit(complete, rows)
        rows = rows_with_any_of(rows, schema.input_columns)
        encoders, transforms = make_encoders(schema), make_transforms(schema)
        train, validation, test = (
            _Scaled(
                open_subset(
                    rows, schema, subset, preprocess=Preprocessing(encoders, transforms, training=training)
                ),
                scales,
            )
            for subset, training in (("train", True), ("validation", False), ("test", False))
        )
        return Splits(train, validation, test, units=rows.subsets["test"])

    def encoders(self, config: Comparison, names: Sequence[str]) -> dict[str, Encoder]:
        return make_encoders(_load(config)[0].with_inputs(names))

    def tasks(self, config: Comparison, names: Sequence[str]) -> dict[str, Task]:
        return make_tasks(_load(config)[0])


class _Scaled(Dataset[Sample]):
    """Samples with number targets standardised."""

    def __init__(self, data: Any, scales: TargetScales) -> None:
        self.data, self.scales = data, scales

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> Sample:
        sample: Sample = self.data[i]
        return {**sample, "targets": self.scales.sample(sample["targets"])}


def rows_with_any_of(rows: Rows, columns: Sequence[str]) -> Rows:
    """Return the table with the rows of each subset that have a cell in one of some columns."""
    blank = [rows.blank(column) for column in columns]
    subsets = {
        name: [i for i in indices if not all(column[i] for column in blank)]
        for name, indices in rows.subsets.items()
    }
    return replace(rows, subsets=subsets)


def _load(config: Comparison) -> tuple[Schema, Rows]:
    stamps = tuple(map(_stamp, _tables(config)))
    return _load_once(str(config.data), config.schema, config.skip_bad_rows, stamps)


def _tables(config: Comparison) -> list[Path]:
    """Return the table, or the folder that is one, and its schema."""
    return [path for path in (config.data, config.schema) if path is not None]


def _stamp(path: Path) -> tuple[Any, ...]:
    """Return what changes with a file, or with the names in a folder and in its folders."""
    places = [path, *(p for p in path.glob("*") if p.is_dir())]
    return tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in places if p.exists())


@lru_cache(maxsize=1)
def _load_once(
    data: str, schema: Path | None, skip_bad_rows: bool, stamps: tuple[Any, ...]
) -> tuple[Schema, Rows]:
    complete, rows = load_data(data, schema, skip_bad_rows=skip_bad_rows)
    if not isinstance(rows, Rows):
        raise ValueError(f"a comparison needs a table. Found shards: '{data}'.")
    return complete, rows


RECIPE = TableRecipe()
