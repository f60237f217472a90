"""Parts that the proofs of `unlabelled_proofs` share: their description, loaders and a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import Learner, MultiTaskModel, fit

Figures = dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """A figure of a method beside that of its baseline, with the same seeds.

    Attributes:
        method: Method.
        baseline: Method that it should beat.
        figure: Key of the figure in what a run returns.
        unit: Unit of the figure, and which way is better where that is not up.
    """

    method: str
    baseline: str
    figure: str
    unit: str


@dataclass(frozen=True)
class Proof:
    """Trainings on one data set, with a method and without it.

    Attributes:
        run: Function from a method, a seed, the folder of the data and whether to score held-out training
            data in place of test data to the figures of the training.
        methods: Names of the methods, baselines included.
        comparisons: Rows of the table.
    """

    run: Callable[[str, int, Path, bool], Figures]
    methods: tuple[str, ...]
    comparisons: Sequence[Comparison]


def served(
    batch: Batch, size: int, seed: int, transform: Callable[[Batch], Batch] | None = None
) -> ResumableLoader:
    """Return a loader of shuffled samples.

    Args:
        batch: All samples.
        size: Size of a batch.
        seed: Seed of the order.
        transform: Function of a batch that is served.
    """
    data = BatchDataset(batch, transform=transform)
    return ResumableLoader(data, batch_size=size, collate_fn=data.collate, seed=seed, drop_last=True)


def train(
    model: MultiTaskModel,
    loaders: Mapping[str, ResumableLoader] | ResumableLoader,
    *,
    steps: int,
    lr: float,
    passes: Mapping[str, ResumableLoader] | None = None,
    **options: Any,
) -> None:
    """Train a model silently, at a rate that falls along a cosine.

    Args:
        model: Model.
        loaders: Loaders of the training.
        steps: Number of steps.
        lr: Peak learning rate.
        passes: Loaders that are read before each epoch, by task.
        options: Further options of the learner.
    """
    learner = Learner(model, lr=lr, schedule="cosine", **options)
    fit(learner, loaders, steps=steps, passes=passes, accelerator="cpu", progress=False)
