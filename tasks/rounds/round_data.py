"""The data that a round trains on, and what rounds end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Subset

from sennit.data import Batch
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.pool import Pool
from sennit.tasks.rounds.seeds import seed_of
from sennit.tasks.training.learner import Learner


@dataclass(frozen=True)
class RoundData:
    """The data of one training, for a function that makes its loaders.

    Attributes:
        labelled: Samples with a label; those of a bootstrap sample may occur twice.
        pool: All samples, of which each shows the labels that the learner knows.
        collate: Function from samples to a batch.
        seed: Seed for the loaders, another one in each round.
        round: Number of the round.
        learner: Index of the learner.
    """

    labelled: Subset[Any]
    pool: Pool
    collate: Callable[[Any], Batch]
    seed: int
    round: int
    learner: int


@dataclass(frozen=True)
class RoundsResult:
    """The learners and the labels that rounds end with.

    Attributes:
        learners: Learners of the last round with their chosen weights; one, unless several are compared.
        pool: Samples with the labels that all learners know at the end.
        rounds: Entry of each round, as in ``rounds.json``.
    """

    learners: tuple[Learner, ...]
    pool: Pool
    rounds: tuple[Mapping[str, Any], ...]

    @property
    def learner(self) -> Learner:
        """The learner of the last round; the first, where there are several."""
        return self.learners[0]

    @property
    def model(self) -> MultiTaskModel:
        """Its model."""
        return self.learner.model


def round_data(pool: Pool, model: MultiTaskModel, key: tuple[int, ...], *, bootstrap: bool) -> RoundData:
    """Return the data of a training.

    Args:
        pool: Samples with the labels that the learner knows.
        model: Model to train; samples with a label of one of its tasks take part.
        key: Key of the random numbers: the seed, the round, the learner and the phase.
        bootstrap: Whether to draw as many labelled samples with replacement.
    """
    labelled = pool.with_labels(*(task for task in model.targets if task in pool.tasks))
    if bootstrap:
        drawn = np.random.default_rng(key).integers(len(labelled), size=len(labelled))
        labelled = Subset(pool, [labelled.indices[row] for row in drawn])
    return RoundData(labelled, pool, pool.collate or model.collate, seed_of(key), key[1], key[2])
