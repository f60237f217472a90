"""How often each training row is drawn."""

from __future__ import annotations

import numpy as np

from sennit.data import balanced_weights
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import ClassTarget


def draw_weights(schema: Schema, rows: Rows | Shards) -> list[float] | None:
    """Return the weight by which each training row is drawn, or None where each is drawn once a pass.

    The classes of a target with ``sampler: balanced`` are drawn equally often; of several such targets the
    weights are averaged.

    Args:
        schema: Complete schema.
        rows: Rows and their subsets.

    Raises:
        ValueError: The rows are shards, which are read in their order.
    """
    balanced = [t for t in schema.targets.values() if isinstance(t, ClassTarget) and t.sampler is not None]
    if not balanced:
        return None
    if isinstance(rows, Shards):
        raise ValueError(
            "`sampler: balanced` needs the rows of a table, which can be drawn in any order. Found shards. "
            "Use `weights: balanced`, which weighs the loss."
        )
    labels = [target.read(rows) for target in balanced]
    weights = [balanced_weights([column[i] for i in rows.subsets["train"]]) for column in labels]
    means: list[float] = np.mean(weights, 0).tolist()
    return means
