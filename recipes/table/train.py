"""Train the model of a schema, and test it once."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sennit.data import ResumableLoader
from sennit.recipes.table.build import build_model
from sennit.recipes.table.config import Config
from sennit.recipes.table.parts import Parts
from sennit.recipes.table.scales import ScaledCollate, TargetScales, fit_inputs
from sennit.tasks import Fitted, Learner, MultiTaskModel, fit
from torch.utils.data import DataLoader

_CHECKPOINT_EVERY = 500  # steps


def train(
    config: Config, parts: Parts, folder: Path, *, say: Callable[[str], None]
) -> tuple[MultiTaskModel, Fitted]:
    """A trained model, whose numbers are in the targets' units.

    Args:
        config: The options.
        parts: The data.
        folder: For checkpoints and logs; with ``config.resume`` a training in it is gone on with.
        say: Tells the user what is worth knowing.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(config.seed)
    model = build_model(
        parts.schema, fusion=config.fusion, width=config.width, modality_dropout=config.modality_dropout
    )
    rows = fit_inputs(model, parts, seed=config.seed)
    if rows:
        say(f"Means and scales of the inputs: from {rows} training rows.")
    scales = TargetScales.fit(parts)
    collate = ScaledCollate(model.collate, scales)
    loader = ResumableLoader(
        parts.open("train", preprocess=model.preprocessing(training=True), seed=config.seed),
        batch_size=min(config.batch_size, parts.sizes["train"]),
        collate_fn=collate,
        seed=config.seed,
        num_workers=config.workers,
    )
    monitor = _monitor(parts)
    say(
        f"The best epoch by {monitor} is kept."
        if monitor
        else "No validation rows have labels: the last epoch is kept."
    )
    with warnings.catch_warnings():
        # Of validation shards, which share themselves out among workers.
        warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")
        fitted = fit(
            Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle"),
            loader,
            make_loader(parts, "validation", model, collate, config) if monitor else None,
            folder=folder,
            epochs=config.epochs,
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
    parts: Parts, part: str, model: MultiTaskModel, collate: Any, config: Config
) -> DataLoader[Any]:
    """The batches of a part, in order, without augmentation."""
    data = parts.open(part, preprocess=model.preprocessing())
    return DataLoader(
        data,
        batch_size=config.batch_size,
        collate_fn=collate,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
    )


def _monitor(parts: Parts) -> str | None:
    """The metric of the first target that has enough labels in the validation rows."""
    if "validation" not in parts:
        return None
    data: Any = parts.open("validation")
    for name, target in parts.schema.targets.items():
        if parts.source is None:
            return f"val/{name}/{target.metric}"
        labels = sum(target.value(row) is not None for row in parts.source.rows(data.rows))
        if labels >= 2 or (labels and target.kind != "number"):  # an R² needs two
            return f"val/{name}/{target.metric}"
    return None
