"""Test rows at random, for analyses that ask the model many times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.training.train import make_loader

_MOST, _MOST_IN_SECONDS, _BATCH = 1000, 300, 250


def sampled(results: Results) -> tuple[DataLoader[Any], int] | None:
    """Return batches of test rows in random order, and their number; None for shards or without test rows.

    There are 1,000 rows at most, or 300 in a run that allows the report no training.
    """
    rows = results.rows
    if not isinstance(rows, Rows) or results.test is None:
        return None
    order = np.random.default_rng(0).permutation(rows.subsets["test"])
    chosen = [int(i) for i in order[: _MOST_IN_SECONDS if results.seconds == 0 else _MOST]]
    config = replace(
        results.config, batch_size=_BATCH, workers=min(results.config.workers, len(chosen) // _BATCH)
    )
    fewer = replace(rows, subsets={**rows.subsets, "test": chosen})
    model = results.model
    return make_loader(config, results.schema, fewer, "test", model, model.collate), len(chosen)
