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

from sennit.data import BatchDataset, ResumableLoader
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
    # Columns take as little memory in large batches.
    size = max(config.batch_size, 1024) if isinstance(options["dataset"], BatchDataset) else config.batch_size
    return DataLoader(**options, batch_size=size, persistent_workers=options["num_workers"] > 0)


def monitor_of(schema: Schema, rows: Rows | Shards) -> str | None:
    """Return the value that the kept epoch is best by, among the targets with enough validation labels.

    It is the metric of the target that the schema's key ``monitor`` names, or of the only one, or else the
    mean over the targets of their first metrics.
    """
    if "validation" not in rows.subsets:
        return None
    scored = [name for name in schema.targets if isinstance(rows, Shards) or _scored(schema, rows, name)]
    if schema.monitor is not None and schema.monitor in scored:
        scored = [schema.monitor]
    if len(scored) > 1:
        return "val/mean"
    return f"val/{scored[0]}/{schema.targets[scored[0]].monitored}" if scored else None


def _scored(schema: Schema, rows: Rows, name: str) -> bool:
    """Return whether the validation rows have labels enough for the metrics of a target."""
    labels = schema.targets[name].read(rows)
    count = sum(labels[i] is not None for i in rows.subsets["validation"])
    return count >= schema.targets[name].fewest
