"""Time of an epoch over a table of numbers: batches gathered from columns beside batches made of samples.

100,000 rows of 10 numbers and a class of two, batches of 512, two threads, the table recipe's own encoder and
training (Lightning, AdamW, ``fit`` with all that it does before its first step). The peer is the same
training on the same batches in the same order, of samples that are collated one by one, as they are where an
input is a file. The first row is the epoch; the second makes the columns, once for a training.

    python -m benchmarks.table_epoch
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import torch

from benchmarks._harness import Result, alternate, arguments, report
from sennit.data import ResumableLoader
from sennit.recipes.table import open_subset
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.batches import loader_options
from sennit.recipes.table.training.model import build_model
from sennit.tasks import Learner, MultiTaskModel, fit

COLUMNS, BATCH = 10, 512


def make_table(size: int) -> tuple[Schema, Rows]:
    """Return rows of random numbers as a CSV file gives them, all of them to train on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, COLUMNS)).round(4)
    cells: dict[str, list[Any]] = {f"x{k}": [str(v) for v in x[:, k].tolist()] for k in range(COLUMNS)}
    cells["y"] = ["yes" if v > 0 else "no" for v in (x[:, 0] + x[:, 1] * x[:, 2]).tolist()]
    target = {"kind": "class", "column": "y", "classes": ["no", "yes"]}
    inputs = {"table": {"kind": "table", "numbers": list(cells)[:COLUMNS]}}
    rows = Rows("numbers.csv", cells, range(2, size + 2), subsets={"train": list(range(size))})
    return Schema.of({"inputs": inputs, "targets": {"y": target}}), rows


def epoch(model: MultiTaskModel, options: dict[str, Any]) -> None:
    """Train for one pass over the rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(Learner(model), ResumableLoader(**options, batch_size=BATCH), epochs=1, progress=False)


def rows(size: int, runs: int) -> list[Result]:
    """Time an epoch over columns beside one over samples, and the making of the columns."""
    schema, table = make_table(size)
    torch.manual_seed(0)
    model = build_model(schema, fusion="concat", width=128, modality_dropout=0.0)
    preprocess = model.preprocessing(training=True)
    # A function of its own, as `Preprocessing` makes the tensors of a table at once.
    samples = open_subset(table, schema, "train", preprocess=lambda sample: preprocess(sample))
    by_sample = {"dataset": samples, "collate_fn": model.collate, "num_workers": 0}
    by_column = loader_options(table, schema, "train", model, training=True)
    of_epoch = alternate(
        f"epoch of {size:,} rows by columns vs by samples",
        lambda: epoch(model, by_column),
        lambda: epoch(model, by_sample),
        runs=runs,
        loops=1,
    )
    made = alternate(
        f"columns of {size:,} rows vs their samples",
        lambda: loader_options(table, schema, "train", model, training=True),
        lambda: [samples[i] for i in range(size)],
        runs=runs,
        loops=1,
    )
    return [of_epoch, made]


def main() -> None:
    """Measure, print, write."""
    options = arguments("table_epoch", __doc__ or "")
    torch.set_num_threads(2)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    results = rows(10_000, 1) if options.quick else rows(100_000, 7)
    report("table_epoch", results, options.out, packages=("sennit", "torch", "pytorch-lightning"))


if __name__ == "__main__":
    main()
