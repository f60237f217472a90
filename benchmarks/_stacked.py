"""Rows that compare a generation in one stack with stacks of one."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks._harness import Result, alternate, not_run
from benchmarks._multibench import BATCH
from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder
from sennit.search import BatchedEvaluator, Proposal, Space, TrainingOptions, cache_taps
from sennit.tasks import Classification

EPOCHS = 3


def stacked_row(
    what: str,
    encoders: dict[str, Encoder],
    train: Batch,
    validation: Batch,
    *,
    space: dict[str, Any],
    population: int,
    device: str,
    runs: int,
) -> Result:
    """Compare a random generation in one stack and in stacks of one."""
    if device == "cuda" and not torch.cuda.is_available():
        return not_run(what, "no GPU")
    choices = Space.of(encoders, ["digit"], **space)
    drawn = [choices.sample(np.random.default_rng([0, i])) for i in range(population)]
    proposals = [Proposal((0, i), genes, choices.decode(genes)) for i, genes in enumerate(drawn)]
    with tempfile.TemporaryDirectory() as folder:
        caches = [cache_taps(encoders, BatchDataset(batch), folder) for batch in (train, validation)]
        evaluator = BatchedEvaluator(
            choices,
            {"digit": Classification(10)},
            *caches,
            training=TrainingOptions(EPOCHS, BATCH),
            device=device,
        )
        row = alternate(
            what,
            lambda: evaluator.evaluate(proposals),
            lambda: [evaluator.evaluate([p]) for p in proposals],
            runs=runs,
            loops=1,
        )
    return in_seconds(row)


def in_seconds(row: Result, *, peer_times: int = 1) -> Result:
    """Return a row of milliseconds in seconds, with the peer's time multiplied by ``peer_times``."""
    return replace(
        row,
        ours=round(row.ours / 1e3, 3),
        peer=round(row.peer * peer_times / 1e3, 3),
        ratio=round(row.ratio * peer_times, 3),
        unit="s",
        spread=(round(row.spread[0] * peer_times, 3), round(row.spread[1] * peer_times, 3)),
    )
