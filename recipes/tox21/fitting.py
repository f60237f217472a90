"""Training of one network, and the figure of each assay."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.harness import Splits, quiet_trainer
from sennit.recipes.tox21.config import SEPARATE, Config
from sennit.recipes.tox21.data import TASK, find, load, splits
from sennit.tasks import (
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    Task,
    create_balancing,
    create_sharing,
    create_weighting,
)
from sennit.tasks.metrics.by_label import r2, roc_auc
from torch import Tensor

_BATCH = 512


@dataclass(frozen=True)
class Fitted:
    """What a training found.

    Attributes:
        validation: By assay, its figure on the validation molecules; assays without one are left out.
        test: The same on the test molecules.
        seconds: Of training.
        steps: Of the optimizer.
        waited_s: Seconds of these spent waiting for data.
        model: The network; None where there is one for each assay.
    """

    validation: Mapping[str, float]
    test: Mapping[str, float]
    seconds: float
    steps: int
    waited_s: float
    model: MultiTaskModel | None


def build_encoders(config: Config, names: Sequence[str]) -> dict[str, Encoder]:
    """New encoders of the modalities ``names``."""
    known = {
        "fingerprint": lambda: create_encoder(
            "morgan",
            size=config.fingerprint_bits,
            radius=config.radius,
            counts=config.fingerprint_counts,
            embed_dim=config.width,
            width=config.width,
            dropout=config.dropout,
        ),
        "graph": lambda: create_encoder("chemprop", embed_dim=config.width, width=config.graph_width),
        "smiles": lambda: create_encoder("bytes", max_length=config.max_length),
    }
    return {name: known[name]() for name in names}


def build_tasks(config: Config, assays: Sequence[str]) -> dict[str, Task]:
    """One masked head for all assays, or a task for each."""
    groups = {name: [name] for name in assays} if config.tasks == SEPARATE else {TASK: list(assays)}
    if config.assays == "numbers":
        return {name: Regression(len(own), sparse=True) for name, own in groups.items()}
    return {name: MultiLabel(own, auroc=True) for name, own in groups.items()}


def build(config: Config, names: Sequence[str], fusion: str, assays: Sequence[str]) -> MultiTaskModel:
    """A new network of some modalities for some assays."""
    encoders = build_encoders(config, names)
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=config.width),
        tasks=build_tasks(config, assays),
        sharing=create_sharing(config.sharing, **config.sharing_options),
        weighting=create_weighting(config.weighting),
        modality_dropout=config.modality_dropout if len(names) > 1 else 0.0,
    )


def fit(config: Config, names: Sequence[str], *, seed: int, fusion: str | None = None) -> Fitted:
    """A network trained for all assays, by ``--tasks``, ``--sharing``, ``--weighting`` and ``--balancing``.

    Args:
        config: Options.
        names: Modalities that it reads.
        seed: Of the initial weights and the order of the molecules.
        fusion: Its name; by default the first of the config, or none for a single modality.

    Raises:
        TypeError: A sharing, a balancing or a fusion that cannot go with the others.
    """
    fusion = "concat" if len(names) == 1 else fusion or config.fusions[0]
    torch.manual_seed(1000 * seed)
    assays = load(find(config.data, config.file), config.assays).names
    model = build(config, names, fusion, assays)
    encoders = model.fused_encoder.leaves()
    return _fit(config, model, splits(config, encoders), assays, seed=seed)


def fit_alone(config: Config, *, seed: int) -> Fitted:
    """A network for each assay, trained as the others on the fingerprints of the molecules it is known of."""
    found = []
    alone = config.joined()
    assays = load(find(config.data, config.file), config.assays).names
    for place, name in enumerate(assays):
        torch.manual_seed(1000 * seed + place)
        model = build(alone, ("fingerprint",), "concat", [name])
        own = splits(alone, model.fused_encoder.leaves(), only=[place])
        found.append(_fit(alone, model, own, [name], seed=seed))
    return Fitted(
        validation={name: value for own in found for name, value in own.validation.items()},
        test={name: value for own in found for name, value in own.test.items()},
        seconds=sum(own.seconds for own in found),
        steps=sum(own.steps for own in found),
        waited_s=sum(own.waited_s for own in found),
        model=None,
    )


def _fit(config: Config, model: MultiTaskModel, data: Splits, assays: Sequence[str], *, seed: int) -> Fitted:
    learner = Learner(
        model,
        lr=config.lr,
        weight_decay=config.weight_decay,
        schedule="one_cycle",
        balancing=None if config.balancing is None else create_balancing(config.balancing),
    )
    train = data.train.batch
    batch = separated(train, assays) if config.tasks == SEPARATE else train
    dataset = BatchDataset(batch)
    loader = ResumableLoader(
        dataset,
        batch_size=min(config.batch_size, len(dataset)),
        collate_fn=dataset.collate,
        seed=seed,
        drop_last=True,
    )
    steps = config.epochs * len(loader)
    start = time.perf_counter()
    quiet_trainer(steps=steps).fit(learner, loader)
    seconds = time.perf_counter() - start
    validation, test = (
        figures(config, assays, predicted(model, side.batch), side.batch)
        for side in (data.validation, data.test)
    )
    return Fitted(validation, test, seconds, steps, loader.waited_s, model)


def separated(batch: Batch, assays: Sequence[str]) -> Batch:
    """The same molecules, with a target for each assay instead of one for all."""
    target, known = batch.targets[TASK], batch.labelled[TASK]
    return Batch.of(
        batch.inputs,
        masks=batch.masks,
        present=batch.present,
        targets={name: target[:, [place]] for place, name in enumerate(assays)},
        labelled={name: known[:, place] for place, name in enumerate(assays)},
        index=batch.index,
    )


@torch.no_grad()
def predicted(model: MultiTaskModel, batch: Batch) -> Tensor:
    """The probability that a molecule is active in each assay, or its number.

    Shape:
        ``[N, T]`` for N molecules and T assays.
    """
    model.eval()
    found = []
    for start in range(0, batch.batch_size, _BATCH):
        rows = torch.arange(start, min(start + _BATCH, batch.batch_size))
        outputs = model(batch.select(rows))
        found.append(torch.cat([task.scores(outputs[name].logits) for name, task in model.tasks.items()], 1))
    return torch.cat(found)


def figures(config: Config, assays: Sequence[str], scores: Tensor, batch: Batch) -> dict[str, float]:
    """By assay, the area under the ROC curve or R², over the molecules of which it is known.

    Assays without a figure are left out: all molecules of one class, or fewer than two numbers.
    """
    figure = roc_auc if config.assays == "classes" else r2
    target, known = batch.targets[TASK].double(), batch.labelled[TASK]
    found = {}
    for name, own, true, there in zip(assays, scores.double().T, target.T, known.T, strict=True):
        value = figure(own[there], true[there])
        if value is not None:
            found[name] = value
    return found


def overall(config: Config, found: Mapping[str, float]) -> float:
    """Over the assays, the mean of the areas, or the median of R²; NaN where none has a figure.

    R² has no lower bound: a few assays with a handful of molecules would rule a mean.
    """
    middle = np.mean if config.assays == "classes" else np.median
    return float(middle(list(found.values()))) if found else float("nan")
