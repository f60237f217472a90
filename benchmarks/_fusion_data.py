"""The data sets of `fusion_accuracy`: recipes in fixed, reduced configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks import _small_avdigits as small
from sennit.data import Batch, BatchDataset
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe
from sennit.recipes.htad.augment import Augment
from sennit.recipes.htad.config import Config as HTADConfig
from sennit.recipes.htad.data import folds, inner_splits, load
from sennit.recipes.htad.model import build_tasks
from sennit.recipes.htad.recipe import HTADRecipe
from sennit.recipes.mosi.recipe import MOSIRecipe
from sennit.tasks import Task

_load = lru_cache(maxsize=1)(load)


@dataclass(frozen=True)
class Part:
    """The data of one training.

    Attributes:
        train: Training data; their ``transform`` draws new noise in each epoch.
        validation: Data that the model is scored on, if any.
        test: Data that the model is scored on, if any.
    """

    train: BatchDataset
    validation: BatchDataset | None
    test: BatchDataset | None


@dataclass(frozen=True)
class DataSet:
    """A recipe in a fixed, reduced configuration, whose tasks are all classifications.

    Attributes:
        recipe: Recipe.
        settings: Changes to the recipe's config.
        quick: Further changes for ``--quick``.
        renderings: Number of renderings of the training data for frozen encoders; 1 without noise.
    """

    recipe: Recipe[Any]
    settings: Mapping[str, Any]
    quick: Mapping[str, Any]
    renderings: int

    def config(self, folder: Path, settings: Mapping[str, Any]) -> Options:
        """Return the recipe's config, checked."""
        config: Options = self.recipe.config(data=folder, **settings)
        config.check()
        return config

    def parts(self, config: Any, names: Sequence[str], seed: int) -> list[Part]:
        """Return all trainings of a seed, whose scores are averaged."""
        data = self.recipe.data(config, names, seed)
        return [Part(data.train, data.validation, data.test)]


@dataclass
class Config(HTADConfig):
    """Options of `Activities`.

    Args:
        folds: Number of a protocol's folds in use, from the first.
    """

    folds: int = 5


class Activities(HTADRecipe):
    """The activity alone."""

    config = Config

    def tasks(self, config: Any, names: Sequence[str]) -> dict[str, Task]:
        return build_tasks(_load(config.data).activities, None)


@dataclass(frozen=True)
class Folds(DataSet):
    """HTAD under one protocol.

    In each fold, a model of all training data is tested; models of parts of them are scored on the rest, the
    validation data. They are split like the folds, so that under ``"new"`` they too are of a recording that
    the model has not seen.

    Attributes:
        protocol: Protocol, ``"same"`` or ``"new"``.
    """

    protocol: str = "same"

    def config(self, folder: Path, settings: Mapping[str, Any]) -> Options:
        config: Options = self.recipe.config(**settings)  # the file is the one of multiviewstacking
        config.check()
        return config

    def parts(self, config: Any, names: Sequence[str], seed: int) -> list[Part]:
        data = _load(config.data)
        noise = max(config.strengths)

        def only(rows: Any) -> Batch:
            selected = data.batch.select(torch.as_tensor(rows))
            targets = {"activity": selected.targets["activity"]}
            return Batch.of({m: selected.inputs[m] for m in names}, targets=targets, index=selected.index)

        def noisy(rows: Any) -> BatchDataset:
            batch = only(rows)
            return BatchDataset(batch, transform=Augment(batch, noise))

        parts = []
        for train, test in folds(data, self.protocol, seed)[: config.folds]:
            for fit, check in inner_splits(data, self.protocol, train, seed):
                parts.append(Part(noisy(fit), BatchDataset(only(check)), None))
            parts.append(Part(noisy(train), None, BatchDataset(only(test))))
        return parts


_HTAD = {"epochs": 24, "batch_size": 128, "width": 64}
_SAME = {**_HTAD, "strengths": [0.0], "folds": 2}
_NEW = {**_HTAD, "strengths": [1.5], "folds": 3}
_GLANCE = {"epochs": 1, "folds": 1}
DATA: dict[str, DataSet] = {
    "htad_same": Folds(Activities(), _SAME, _GLANCE, renderings=4, protocol="same"),
    "htad_new": Folds(Activities(), _NEW, _GLANCE, renderings=4, protocol="new"),
    "mosi": DataSet(
        MOSIRecipe(), {"epochs": 15, "batch_size": 64, "width": 64, "dropouts": [0.5]}, {"epochs": 1}, 1
    ),
    "avdigits": DataSet(small.RECIPE, small.SETTINGS, small.QUICK, renderings=3),
}
