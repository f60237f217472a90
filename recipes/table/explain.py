"""Which inputs and which columns a trained model's answers rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Subset

from sennit.recipes.table.data.dataset import TableDataset
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.importance import Drop, column_importance, modality_importance
from sennit.recipes.table.trained import TrainedTable

_BATCH = 250


@dataclass(frozen=True)
class Explanation:
    """Importance of inputs and columns for one target.

    Attributes:
        metric: Score whose loss is counted.
        inputs: Part of each input in how far an answer moves (Shapley's value); they sum to 1. Empty above
            6 inputs.
        columns: Loss of score with the cells of a column permuted among the rows, largest first; an input
            that is no table is one column.
    """

    metric: str
    inputs: Mapping[str, float]
    columns: Mapping[str, Drop]


def explain(trained: TrainedTable, rows: Rows, *, most: int = 1000, seed: int = 0) -> dict[str, Explanation]:
    """Return, by target, how much each input and each column matters.

    Args:
        trained: Trained model.
        rows: Rows with labels; those that were not trained on tell what matters for new rows.
        most: Largest number of rows, drawn at random.
        seed: Random seed of the rows and of the permutations.

    Raises:
        ValueError: A column of an input or a target is missing, or no row has a label.
    """
    model, schema = trained.model, trained.schema
    data = TableDataset(rows, schema, preprocess=model.preprocessing())
    places = np.random.default_rng(seed).permutation(len(data))[:most].tolist()
    batches = list(DataLoader(Subset(data, places), batch_size=_BATCH, collate_fn=model.collate))
    metrics = {name: target.monitored for name, target in schema.targets.items()}
    columns = column_importance(model, batches, metrics, seed=seed)
    if not columns:
        raise ValueError(f"an explanation needs rows with labels in {schema.target_columns}. Found none.")
    names = list(schema.inputs)
    several = modality_importance(model, batches) if len(names) > 1 else {}
    shares = {name: several[name].shares if several else {names[0]: 1.0} for name in columns}
    return {
        name: Explanation(
            metrics[name],
            dict(shares[name]),
            dict(sorted(drops.items(), key=lambda item: -item[1].mean)),
        )
        for name, drops in columns.items()
    }
