"""Training of the model of a schema."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from sennit.data import ResumableLoader
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.batches import loader_options
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.training.scales import TargetScales, fit_inputs
from sennit.tasks import Fitted, Learner, MultiTaskModel, fit

_CHECKPOINT_EVERY = 500  # steps


def train(
    config: Config,
    schema: Schema,
    rows: Rows | Shards,
    folder: Path,
    *,
    say: Callable[[str], None],
    max_time: float | None = None,
) -> tuple[MultiTaskModel, Fitted]:
    """Return a trained model, whose numbers are in the units of the targets.

    Args:
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.
        folder: Folder of checkpoints and logs; with ``config.resume`` the training in it is resumed.
        say: Function that receives remarks for the user.
        max_time: Seconds after which the training stops; None sets no limit.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(config.seed)
    model = build_model(
        schema, fusion=config.fusion, width=config.width, modality_dropout=config.modality_dropout
    )
    fitted_rows = fit_inputs(model, schema, rows, seed=config.seed)
    if fitted_rows:
        say(f"Means and scales of the inputs: from {fitted_rows} training rows.")
    scales = TargetScales.fit(schema, rows)
    read = partial(loader_options, rows, schema, model=model, scales=scales, workers=config.workers)
    loader = ResumableLoader(
        **read("train", training=True, seed=config.seed),
        batch_size=min(config.batch_size, rows.sizes["train"]),
        seed=config.seed,
    )
    monitor = monitor_of(schema, rows)
    say(
        f"The best epoch by {monitor} is kept."
        if monitor
        else "No validation rows have labels: the last epoch is kept."
    )
    with warnings.catch_warnings():
        # From validation shards, which divide themselves among workers.
        warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")
        fitted = fit(
            Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle"),
            loader,
            make_loader(config, schema, rows, "validation", model, scales) if monitor else None,
            folder=folder,
            epochs=config.epochs,
            max_time=max_time,
            precision=config.precision,
            monitor=monitor,
            checkpoint_every=_CHECKPOINT_EVERY,
            progress=sys.stdout.isatty(),
            resume=config.resume is not None,
        )
    if not sys.stdout.isatty():  # else it stands below the bar
        say(f"Waited for data {fitted.waiting:.1%} of the training time.")
    scales.into_units(model)
    return model.eval(), fitted


def make_loader(
    config: Config,
    schema: Schema,
    rows: Rows | Shards,
    subset: str,
    model: MultiTaskModel,
    scales: TargetScales | None = None,
) -> DataLoader[Any]:
    """Return the batches of a subset, in order, without augmentation."""
    options = loader_options(rows, schema, subset, model, scales=scales, workers=config.workers)
    persistent = options["num_workers"] > 0
    return DataLoader(**options, batch_size=config.batch_size, persistent_workers=persistent)


def monitor_of(schema: Schema, rows: Rows | Shards) -> str | None:
    """Return the metric of the first target that has enough labels in the validation rows."""
    if "validation" not in rows.subsets:
        return None
    for name, target in schema.targets.items():
        if isinstance(rows, Shards):
            return f"val/{name}/{target.monitored}"
        labels = target.read(rows)
        count = sum(labels[i] is not None for i in rows.subsets["validation"])
        if count >= 2 or (count and target.kind != "number"):  # an R² needs two
            return f"val/{name}/{target.monitored}"
    return None
