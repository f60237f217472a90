"""The length of a training: rows in each step, and passes over the rows."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from sennit.data.random_state import keyed_random_state
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.tasks import MultiTaskModel

_EPOCHS = 20  # passes over a table of any size
_STEPS_A_PASS, _SMALLEST, _LARGEST = 30, 16, 256
_TIMED = 4  # steps, the first of which is slow
_SHARE = 0.9  # of the time that the steps may take; the rest is for validation and checkpoints


def batch_size(config: Config, rows: Rows | Shards) -> int:
    """Return the number of rows in each step: about 30 steps a pass, of 16 to 256 rows, a power of two."""
    count = rows.sizes["train"]
    if config.batch_size is not None:
        return min(config.batch_size, count)
    exponent = round(math.log2(max(1.0, count / _STEPS_A_PASS)))
    size: int = 2**exponent
    return min(count, max(_SMALLEST, min(_LARGEST, size)))


def planned_epochs(
    config: Config,
    rows: Rows | Shards,
    model: MultiTaskModel,
    read: Callable[[], dict[str, Any]],
    max_time: float | None,
) -> int:
    """Return the number of passes: as many as the options ask for, or as fit into the time.

    The learning rate falls to zero at the end, so the end has to be planned: a few steps are timed on a copy.

    Args:
        config: Options of the run.
        rows: Rows and their subsets.
        model: Model.
        read: Function that returns the options of a loader of training rows.
        max_time: Seconds of the training; None for no limit.
    """
    size = batch_size(config, rows)
    steps = math.ceil(rows.sizes["train"] / size)
    epochs = config.epochs or max(_EPOCHS, math.ceil(config.steps / steps))
    if max_time is None:
        return epochs
    with keyed_random_state((0,)):  # a training without a limit draws the same numbers
        trial = copy.deepcopy(model).train()
        times = []
        loader = DataLoader(**read(), batch_size=size)
        start = time.monotonic()
        for batch in islice(loader, _TIMED):
            torch.autograd.backward(trial.loss(batch)[0])
            times.append(time.monotonic() - start)
            start = time.monotonic()
    a_step = min(times)
    return max(1, min(epochs, int(_SHARE * max_time / (a_step * steps))))
