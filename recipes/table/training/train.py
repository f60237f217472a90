"""Training of the model of a schema."""

from __future__ import annotations

import logging
import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
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
from sennit.recipes.table.schema.targets import Target
from sennit.recipes.table.training.batches import loader_options
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.length import batch_size, planned_epochs
from sennit.recipes.table.training.members import described, fit_trees, validated_weights
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.training.scales import TargetScales, fit_inputs
from sennit.tasks import Fitted, Learner, MultiTaskModel, fit

_CHECKPOINT_EVERY = 500  # steps
_SPENT = 0.85  # share of the time after which no further net is begun


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

    With several targets it is a net for all and, with ``config.separate``, one for each; with
    ``config.nets`` above 1 several of these, of other initial weights; with ``config.trees`` also boosted
    trees of the targets that trees can learn from the table's numbers and categories. The weight of each
    member is chosen on the validation rows. The result of the training is that of the first net.

    Args:
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.
        folder: Folder of checkpoints and logs; with ``config.resume`` the training in it is resumed.
        say: Function that receives remarks for the user.
        max_time: Seconds after which the training stops; None sets no limit.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    start = time.monotonic()
    table, trees = fit_trees(schema, rows, seed=config.seed) if config.trees else ("", {})
    if trees:
        say(f"Boosted trees on input '{table}', for {', '.join(trees)}.")
    plan = _plan(config, schema)
    nets: list[MultiTaskModel] = []
    result: Fitted | None = None
    for i, targets in enumerate(plan):
        spent = time.monotonic() - start
        if result is not None and max_time is not None and spent > max_time * _SPENT:
            say(f"The time is up: {i} of {len(plan)} nets are trained.")
            break
        limit = None if max_time is None else (max_time - spent) / (len(plan) - i)
        place = folder if i == 0 else folder / f"net{i + 1}"
        if len(plan) > 1:
            say(f"Net {i + 1} of {len(plan)}, for {', '.join(targets)}:")
        monitor = schema.monitor if schema.monitor in targets else None
        of_net = replace(schema, targets=targets, monitor=monitor)
        net, fitted = _train_net(config, of_net, rows, place, seed=config.seed + i, say=say, max_time=limit)
        nets.append(net)
        result = result or fitted
    assert result is not None
    if len(nets) == 1 and not trees:
        return nets[0], result
    model = TableEnsemble(nets, trees=trees, table=table)
    if "validation" in rows.subsets:
        weights = validated_weights(model, make_loader(config, schema, rows, "validation", nets[0]))
        model = TableEnsemble(nets, trees=trees, table=table, weights=weights)
        say(f"Weights chosen on the validation rows: {described(model)}.")
    return model.eval(), result


def _plan(config: Config, schema: Schema) -> list[dict[str, Target]]:
    """Return the targets of each net: all of them, then each by itself, where there are several."""
    alone = [{name: target} for name, target in schema.targets.items()] if config.separate else []
    return [dict(schema.targets), *(alone if len(alone) > 1 else [])] * config.nets


def _train_net(
    config: Config,
    schema: Schema,
    rows: Rows | Shards,
    folder: Path,
    *,
    seed: int,
    say: Callable[[str], None],
    max_time: float | None,
) -> tuple[MultiTaskModel, Fitted]:
    torch.manual_seed(seed)
    model = build_model(
        schema,
        fusion=config.fusion,
        width=config.width,
        modality_dropout=config.modality_dropout,
        augment=config.augment,
    )
    fitted_rows = fit_inputs(model, schema, rows, seed=seed)
    if fitted_rows:
        say(f"Means and scales of the inputs: from {fitted_rows} training rows.")
    scales = TargetScales.fit(schema, rows)
    size = batch_size(config, rows)
    read = partial(loader_options, rows, schema, model=model, scales=scales, workers=config.workers)
    loader = ResumableLoader(**read("train", training=True, seed=seed), batch_size=size, seed=seed)
    epochs = planned_epochs(config, rows, model, partial(read, "train", training=True, workers=0), max_time)
    monitor = monitor_of(schema, rows)
    say(
        f"{epochs} epochs of {math.ceil(rows.sizes['train'] / size)} steps, {size} rows each. "
        + (
            f"The best epoch by {monitor} is kept."
            if monitor
            else "No validation rows have labels: the last epoch is kept."
        )
    )
    with warnings.catch_warnings():
        # From validation shards, which divide themselves among workers.
        warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")
        fitted = fit(
            Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle"),
            loader,
            make_loader(config, schema, rows, "validation", model, scales) if monitor else None,
            folder=folder,
            epochs=epochs,
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
    size = batch_size(config, rows)
    # Columns take as little memory in large batches.
    size = max(size, 1024) if isinstance(options["dataset"], BatchDataset) else size
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
