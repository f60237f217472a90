"""Training of one network for all assays, or of one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.recipes.harness import Splits, Stopwatch
from sennit.recipes.tox21.config import SEPARATE, Config
from sennit.recipes.tox21.data import TASK, find, load, splits
from sennit.recipes.tox21.figures import figures, predicted
from sennit.recipes.tox21.model import build
from sennit.tasks import Learner, MultiTaskModel, create_balancing


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes:
        validation: Figures on the validation molecules by assay; assays without one are left out.
        test: Figures on the test molecules by assay.
        steps: Optimizer steps.
        watch: Time of the training.
        model: Network; None where there is one for each assay.
    """

    validation: Mapping[str, float]
    test: Mapping[str, float]
    steps: int
    watch: Stopwatch
    model: MultiTaskModel | None


def train(config: Config, names: Sequence[str], *, seed: int, fusion: str | None = None) -> Trained:
    """Train a network for all assays, by ``--tasks``, ``--sharing``, ``--weighting`` and ``--balancing``.

    Args:
        config: Options.
        names: Modalities that it reads.
        seed: Random seed of the initial weights and of the order of the molecules.
        fusion: Name of the fusion; by default the first of the config, or none for a single modality.

    Raises:
        TypeError: A sharing, a balancing or a fusion does not go with the others.
    """
    fusion = "concat" if len(names) == 1 else fusion or config.fusions[0]
    torch.manual_seed(1000 * seed)
    assays = load(find(config.data, config.file), config.assays).names
    model = build(config, names, fusion, assays)
    encoders = model.fused_encoder.leaves()
    return _train(config, model, splits(config, encoders), assays, seed=seed)


def train_alone(config: Config, *, seed: int) -> Trained:
    """Train a network for each assay, as the others, on the fingerprints of the molecules with its label.

    Args:
        config: Options.
        seed: Random seed of the initial weights and of the order of the molecules.
    """
    parts, watch = [], Stopwatch()
    alone = config.joined()
    assays = load(find(config.data, config.file), config.assays).names
    for place, name in enumerate(assays):
        torch.manual_seed(1000 * seed + place)
        model = build(alone, ("fingerprint",), "concat", [name])
        data = splits(alone, model.fused_encoder.leaves(), only=[place])
        parts.append(_train(alone, model, data, [name], seed=seed, watch=watch))
    return Trained(
        validation={name: value for part in parts for name, value in part.validation.items()},
        test={name: value for part in parts for name, value in part.test.items()},
        steps=sum(part.steps for part in parts),
        watch=watch,
        model=None,
    )


def _train(
    config: Config,
    model: MultiTaskModel,
    data: Splits,
    assays: Sequence[str],
    *,
    seed: int,
    watch: Stopwatch | None = None,
) -> Trained:
    learner = Learner(
        model,
        lr=config.lr,
        weight_decay=config.weight_decay,
        schedule="one_cycle",
        balancing=None if config.balancing is None else create_balancing(config.balancing),
    )
    batch = data.train.batch
    dataset = BatchDataset(separated(batch, assays) if config.tasks == SEPARATE else batch)
    loader = ResumableLoader(
        dataset,
        batch_size=min(config.batch_size, len(dataset)),
        collate_fn=dataset.collate,
        seed=seed,
        drop_last=True,
    )
    watch = watch or Stopwatch()
    fitted = watch.fit(learner, loader, epochs=config.epochs)
    validation, test = (
        figures(config, assays, predicted(model, side.batch), side.batch)
        for side in (data.validation, data.test)
    )
    return Trained(validation, test, fitted.steps, watch, model)


def separated(batch: Batch, assays: Sequence[str]) -> Batch:
    """Return the same molecules with a target for each assay instead of one for all."""
    target, labelled = batch.targets[TASK], batch.labelled[TASK]
    return Batch.of(
        batch.inputs,
        masks=batch.masks,
        present=batch.present,
        targets={name: target[:, [place]] for place, name in enumerate(assays)},
        labelled={name: labelled[:, place] for place, name in enumerate(assays)},
        index=batch.index,
    )
