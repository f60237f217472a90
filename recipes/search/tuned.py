"""A recipe under other options, as a study over trainings asks for them."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe
from sennit.recipes.harness.job import train
from sennit.recipes.search.compared import Compared
from sennit.search.training import Between, Choices, OneOf, PruneTraining, TrainingSpace, TrialReport
from sennit.tasks import MultiTaskModel, create_weighting

WEIGHTING = "weighting"
_WEIGHTINGS = ("equal", "uncertainty", "dwa", "random")


class Tuned(Compared):
    """A recipe by its first protocol, with some options chosen, and further callbacks.

    The recipe's candidates differ in the other options only.

    Args:
        recipe: Recipe.
        choices: Chosen options; ``"weighting"`` is the weighting of the tasks.
        callbacks: Callbacks of each training.
    """

    def __init__(self, recipe: Recipe[Any], choices: Choices, callbacks: Sequence[pl.Callback] = ()) -> None:
        super().__init__(recipe)
        self.choices, self.callbacks = dict(choices), tuple(callbacks)

    def build(self, config: Options, names: Sequence[str], fusion: str) -> MultiTaskModel:
        model = super().build(config, names, fusion)
        if WEIGHTING in self.choices:
            model.weighting = create_weighting(str(self.choices[WEIGHTING]))
            model.weighting.bind({name: task for name, task in model.tasks.items() if task.weighted})
        return model

    def candidates(self, config: Options) -> Sequence[Mapping[str, Any]]:
        candidates: list[Mapping[str, Any]] = []
        for changes in super().candidates(config):
            others = {name: value for name, value in changes.items() if name not in self.choices}
            if others not in candidates:
                candidates.append(others)
        return candidates

    def training(self, config: Options) -> Mapping[str, Any]:
        options = dict(super().training(config))
        return options | {"callbacks": [*options.get("callbacks", ()), *self.callbacks]}


@dataclass(frozen=True)
class RecipeTraining:
    """One training of a recipe's declared fusion under the choices of a study.

    Args:
        recipe: Recipe.
        config: Its options.
        folder: Folder for checkpoints, which are deleted in the end.
        seed: Random seed of the data, the weights and the order.
    """

    recipe: Recipe[Any]
    config: Options
    folder: Path
    seed: int

    def __call__(self, choices: Choices, report: TrialReport) -> float:
        """Return the best value of the monitored score on the validation data."""
        task, metric = next(iter(self.recipe.metrics(self.config).items()))
        monitor = self.recipe.monitor or f"val/{task}/{metric}"
        config, tuned = changed(self.recipe, self.config, choices, [PruneTraining(report, monitor)])
        names = tuned.modalities(config)
        data = tuned.data(config, names, self.seed)
        torch.manual_seed(1000 * self.seed)
        model = tuned.build(config, names, tuned.declared(config))
        place = self.folder / str(report.number)
        fitted = train(tuned, config, model, data, place, seed=self.seed)
        shutil.rmtree(place)
        assert fitted.best is not None
        return fitted.best


def changed(
    recipe: Recipe[Any], config: Options, choices: Choices, callbacks: Sequence[pl.Callback] = ()
) -> tuple[Options, Tuned]:
    """Return the options and the recipe with the choices in them."""
    options: dict[str, Any] = {name: value for name, value in choices.items() if name != WEIGHTING}
    return dataclasses.replace(config, **options), Tuned(recipe, choices, callbacks)


def training_space(recipe: Recipe[Any], config: Options) -> TrainingSpace:
    """Return the choices around a recipe's own options: those that are not structure.

    The learning rate, the width, the batch size, the dropout of modalities and, where the recipe has it, of
    encoders; the weighting where the tasks are two or more.
    """
    space: dict[str, Between | OneOf] = {
        "lr": Between(config.lr / 5, config.lr * 5, log=True),
        "weight_decay": Between(1e-4, 0.3, log=True),
        "width": OneOf(_around(config.width)),
        "batch_size": OneOf(_around(config.batch_size)),
        "modality_dropout": Between(0.0, 0.5),
    }
    if hasattr(config, "dropout"):
        space["dropout"] = Between(0.0, 0.6)
    names = recipe.modalities(config)
    model = recipe.build(config, names, recipe.declared(config))
    if sum(task.weighted for task in model.tasks.values()) > 1:
        space[WEIGHTING] = OneOf(_WEIGHTINGS)
    return space


def _around(size: int) -> tuple[int, ...]:
    return max(1, size // 2), size, 2 * size
