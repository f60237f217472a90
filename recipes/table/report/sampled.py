"""Test rows at random, for analyses that ask the model many times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sennit.data import Batch
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.intervals import units_of
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.training.train import make_loader

_MOST, _MOST_IN_SECONDS, _BATCH = 1000, 300, 250


@dataclass(frozen=True)
class Sampled:
    """Test rows in random order.

    Attributes:
        batches: Batches of them.
        units: Unit that each is drawn with for intervals.
    """

    batches: list[Batch]
    units: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.units)


def sampled(results: Results) -> Sampled | None:
    """Return test rows at random; None for shards or without test rows.

    There are 1,000 at most, or 300 in a run that allows the report no training.
    """
    rows = results.rows
    if not isinstance(rows, Rows) or results.test is None:
        return None
    test = rows.subsets["test"]
    most = _MOST_IN_SECONDS if results.seconds == 0 else _MOST
    places = np.random.default_rng(0).permutation(len(test))[:most]
    workers = min(results.config.workers, len(places) // _BATCH)
    config = replace(results.config, batch_size=_BATCH, workers=workers)
    fewer = replace(rows, subsets={**rows.subsets, "test": [test[i] for i in places]})
    batches = list(make_loader(config, results.schema, fewer, "test", results.model))
    return Sampled(batches, units_of(results)[0][places])
