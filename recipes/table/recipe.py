"""The table as a recipe of the harness: ``python -m sennit.recipes.compare --recipe table``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sennit.data import Preprocessing, Sample
from sennit.encoders import Encoder
from sennit.recipes.harness import Splits, TrainedRecipe
from sennit.recipes.table.build import make_encoders, make_tasks, make_transforms
from sennit.recipes.table.config import Comparison
from sennit.recipes.table.parts import Parts, load_parts
from sennit.recipes.table.scales import TargetScales
from sennit.recipes.table.schema import Schema
from sennit.tasks import Task
from torch.utils.data import Dataset


class TableRecipe(TrainedRecipe[Comparison]):
    """Fusions and single inputs on one's own table, by the split that its schema declares.

    An input alone is trained and tested on the rows that have it. Multi-label targets are learned and
    not shown: the harness knows accuracies of classes, and explained variances.
    """

    name = "table"
    title = "Your own table"
    licence = "The data are your own."
    config = Comparison
    default_fusion = "gated"

    def modalities(self, config: Comparison) -> tuple[str, ...]:
        return tuple(_parts(config).schema.inputs)

    def metrics(self, config: Comparison) -> Mapping[str, str]:
        targets = _parts(config).schema.targets
        shown = {name: t.metric for name, t in targets.items() if t.kind in ("class", "number")}
        if not shown:
            raise ValueError(f"a comparison needs a target of classes or numbers. Found {list(targets)}.")
        return shown

    def data(self, config: Comparison, names: Sequence[str], seed: int) -> Splits:
        parts = _parts(config)
        schema = _only(parts.schema, names)
        encoders, transforms = make_encoders(schema), make_transforms(schema)
        scales = TargetScales.fit(parts)

        def part(name: str) -> _Scaled:
            preprocess = Preprocessing(encoders, transforms, training=name == "train")
            return _Scaled(_having(parts, schema).open(name, preprocess=preprocess), scales)

        missing = [name for name in ("validation", "test") if name not in parts]
        if missing:
            raise ValueError(
                f"a comparison needs rows to choose by and rows to test with. Found no {missing}."
            )
        test = part("test")
        return Splits(part("train"), part("validation"), test, units=test.data.rows)

    def encoders(self, config: Comparison, names: Sequence[str]) -> dict[str, Encoder]:
        return make_encoders(_only(_parts(config).schema, names))

    def tasks(self, config: Comparison, names: Sequence[str]) -> dict[str, Task]:
        return make_tasks(_parts(config).schema)


class _Scaled(Dataset[Sample]):
    """Samples with number targets standardised."""

    def __init__(self, data: Any, scales: TargetScales) -> None:
        self.data, self.scales = data, scales

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> Sample:
        sample: Sample = self.data[i]
        return {**sample, "targets": self.scales.sample(sample["targets"])}


@lru_cache(maxsize=1)
def _load(data: str, schema: Path | None, skip_bad_rows: bool) -> Parts:
    return load_parts(data, schema, skip_bad_rows=skip_bad_rows)


def _parts(config: Comparison) -> Parts:
    parts = _load(str(config.data), config.schema, config.skip_bad_rows)
    if parts.source is None:
        raise ValueError(f"a comparison needs a table. Found shards: '{config.data}'.")
    return parts


def _only(schema: Schema, names: Sequence[str]) -> Schema:
    return Schema({name: schema.inputs[name] for name in names}, schema.targets, schema.split)


def _having(parts: Parts, schema: Schema) -> Parts:
    """The rows that have some of the schema's inputs."""
    assert parts.source is not None
    source, columns = parts.source, [c for part in schema.inputs.values() for c in part.column_names]
    rows = {
        part: [i for i in own if any(source.row(i).text(c) is not None for c in columns)]
        for part, own in parts.rows.items()
    }
    return Parts(schema, rows, {}, source)


RECIPE = TableRecipe()
