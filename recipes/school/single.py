"""One configuration trained once and scored on validation and test pupils, for screenings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sennit.recipes.harness import Stopwatch
from sennit.recipes.school.config import Config
from sennit.recipes.school.data import School, explained_variance, inner_split, load, split
from sennit.recipes.school.fitting import squared_error, train


@dataclass(frozen=True)
class Outcome:
    """Scores of one network, trained on the training pupils that are not validation pupils.

    Attributes:
        validation: Explained variance over the validation pupils.
        test: Explained variance over the test pupils.
        validation_by_task: Mean squared error of each school's validation pupils.
        test_by_task: Mean squared error of each school's test pupils.
        steps: Optimizer steps.
        seconds: Seconds of training.
        setting: Factor on the learning rate of the heads, or their penalty.
    """

    validation: float
    test: float
    validation_by_task: dict[str, float]
    test_by_task: dict[str, float]
    steps: int
    seconds: float
    setting: float


def train_once(config: Config, sharing: str, *, split_seed: int, seed: int) -> Outcome:
    """Train a sharing once; nothing is chosen, and the test pupils are read a single time.

    Args:
        config: Options of the recipe; the first of ``head_rates``, or of ``head_penalties``, is taken.
        sharing: Name of the sharing.
        split_seed: Number of the random split.
        seed: Random seed of the initial weights and of the order of the batches.
    """
    config, data = config.of(sharing), load(config.data)
    rows, test = split(data, split_seed)
    fitted, chosen = inner_split(data, rows, split_seed)
    setting, watch = config.candidates(sharing)[0], Stopwatch()
    trained = train(config, data, fitted, sharing, setting, seed=seed, watch=watch)
    outputs = trained.outputs(data, chosen)
    variance = squared_error(trained, data, chosen, outputs)
    predicted = {
        "validation": (chosen, trained.scale.back(outputs, variance)),
        "test": (test, trained.scale.back(trained.outputs(data, test), variance)),
    }
    overall = {name: explained_variance(p, data.score[rows]) for name, (rows, p) in predicted.items()}
    by_task = {name: _by_task(data, rows, p) for name, (rows, p) in predicted.items()}
    return Outcome(
        overall["validation"],
        overall["test"],
        by_task["validation"],
        by_task["test"],
        trained.steps,
        watch.seconds,
        setting,
    )


def _by_task(data: School, rows: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    error, school = np.square(predicted - data.score[rows]), data.school[rows]
    return {name: float(error[school == number].mean()) for number, name in enumerate(data.names)}
