"""Training of the model of a schema."""

from __future__ import annotations

import logging
import math
import sys
import time
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
from sennit.recipes.table.training.drawing import draw_weights
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.length import batch_size, planned_epochs
from sennit.recipes.table.training.members import described, fit_shallow, validated_weights
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.training.plan import planned_nets
from sennit.recipes.table.training.scales import TargetScales, fit_inputs
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.tasks import Fitted, Learner, MultiTaskModel, fit

_CHECKPOINT_EVERY = 500  # steps
_SHORTEST = 1.0  # seconds of a net
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

    It is a net for all targets, further nets as `planned_nets` has them, and models that are fitted at once,
    as `fit_shallow` has them. The weight of each member is chosen on the validation rows. The result of the
    training is that of the first net.

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
    shallow = _fit_shallow(config, schema, rows, say=say)
    plan = planned_nets(config, schema, rows)
    nets: list[MultiTaskModel] = []
    result: Fitted | None = None
    for i, planned in enumerate(plan):
        spent = time.monotonic() - start
        if result is not None and max_time is not None and spent > max_time * _SPENT:
            say(f"The time is up: {i} of {len(plan)} nets are trained.")
            break
        share = planned.cost / sum(net.cost for net in plan[i:])
        limit = None if max_time is None else max(_SHORTEST, (max_time - spent) * share)
        place = folder if i == 0 else folder / f"net{i + 1}"
        if len(plan) > 1:
            say(f"Net {i + 1} of {len(plan)}, {planned.described}:")
        net, fitted = _train_net(
            config, planned.schema, planned.rows, place, seed=planned.seed, say=say, max_time=limit
        )
        nets.append(net)
        result = result or fitted
    assert result is not None
    if len(nets) == 1 and not shallow:
        return nets[0], result
    model = TableEnsemble(nets, shallow=shallow)
    if "validation" in rows.subsets:
        weights = validated_weights(model, make_loader(config, schema, rows, "validation", nets[0]))
        model = TableEnsemble(nets, shallow=shallow, weights=weights)
        say(f"Weights chosen on the validation rows: {described(model)}.")
    return model.eval(), result


def _fit_shallow(
    config: Config, schema: Schema, rows: Rows | Shards, *, say: Callable[[str], None]
) -> dict[str, list[ShallowModel]]:
    """Fit the members that take no steps."""
    if not config.shallow:
        return {}
    reader = _build(config, schema)  # its encoders turn raw values into tensors
    subsets = [name for name in ("train", "validation") if name in rows.subsets]
    batches = {name: make_loader(config, schema, rows, name, reader) for name in subsets}
    shallow = fit_shallow(schema, rows, reader.fused_encoder.leaves(), batches, seed=config.seed)
    for name, members in shallow.items():
        reads = ", ".join(f"{part.kind} on {', '.join(part.inputs)}" for part in members)
        say(f"Fitted at once, for {name}: {reads}.")
    return shallow


def _build(config: Config, schema: Schema) -> MultiTaskModel:
    return build_model(
        schema,
        fusion=config.fusion,
        width=config.width,
        modality_dropout=config.modality_dropout,
        augment=config.augment,
    )


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
    model = _build(config, schema)
    fitted_rows = fit_inputs(model, schema, rows, seed=seed)
    if fitted_rows:
        say(f"Means and scales of the inputs: from {fitted_rows} training rows.")
    scales = TargetScales.fit(schema, rows)
    size = batch_size(config, rows)
    read = partial(loader_options, rows, schema, model=model, scales=scales, workers=config.workers)
    options = read("train", training=True, seed=seed)
    loader = ResumableLoader(**options, batch_size=size, seed=seed, weights=draw_weights(schema, rows))
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
            Learner(
                model,
                lr=config.lr,
                weight_decay=config.weight_decay,
                schedule="one_cycle",
                layer_decay=schema.layer_decay,
            ),
            loader,
            make_loader(config, schema, rows, "validation", model, scales) if monitor else None,
            folder=folder,
            epochs=epochs,
            max_time=max_time,
            precision=config.precision,
            monitor=monitor,
            patience=config.patience if monitor else None,
            loggers=config.loggers,
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
