"""The batches of a subset: whole columns where the inputs are tables alone, else collated samples."""

from __future__ import annotations

from functools import partial
from typing import Any

from sennit.data import BatchDataset
from sennit.recipes.table.data.columnar import columnar_batch, is_columnar
from sennit.recipes.table.data.load import open_subset
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.scales import ScaledCollate, TargetScales
from sennit.tasks import MultiTaskModel


def loader_options(
    rows: Rows | Shards,
    schema: Schema,
    subset: str,
    model: MultiTaskModel,
    *,
    scales: TargetScales | None = None,
    training: bool = False,
    seed: int = 0,
    workers: int = 0,
) -> dict[str, Any]:
    """Return the dataset, the function that makes a batch, and the number of workers of a loader.

    The batches are the same, bit for bit, whether they are gathered from columns or made of samples.

    Args:
        rows: Rows and their subsets.
        schema: Complete schema.
        subset: Subset to read.
        model: Model.
        scales: Scales of the number targets; None leaves them in their units.
        training: Whether to augment.
        seed: Random seed of the order in which training shards are read.
        workers: Processes that read samples; columns need none.
    """
    scaled = {} if scales is None else {name: partial(scales.scaled, name) for name in scales.scales}
    encoders = model.fused_encoder.leaves()
    if isinstance(rows, Rows) and is_columnar(schema, encoders):
        indices = rows.subsets[subset]
        batch = columnar_batch(rows, schema, indices, encoders=encoders, collate=model.collate, scaled=scaled)
        return {"dataset": BatchDataset(batch), "collate_fn": BatchDataset.collate, "num_workers": 0}
    data = open_subset(rows, schema, subset, preprocess=model.preprocessing(training=training), seed=seed)
    collate = model.collate if scales is None else ScaledCollate(model.collate, scales)
    return {"dataset": data, "collate_fn": collate, "num_workers": workers}
