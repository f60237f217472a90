"""A recipe by its first protocol, trained as the harness trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.encoders import Encoder
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe, Splits, TrainedRecipe
from sennit.tasks import Learner, MultiTaskModel, Task

SAME_START = ", same start"
SEARCHED = ("found", "best found", "random search")
"""Rows of the searches: the chosen model, the best candidate of the search, and that of random search."""


class Compared(TrainedRecipe[Any]):
    """A recipe by its first protocol, trained as the harness trains, without its references.

    Args:
        recipe: Recipe to compare by.
    """

    def __init__(self, recipe: Recipe[Any]) -> None:
        self.recipe, self.monitor, self.config = recipe, recipe.monitor, recipe.config
        self.protocol = next(iter(recipe.protocols))

    def modalities(self, config: Options) -> tuple[str, ...]:
        return self.recipe.modalities(config)

    def metrics(self, config: Options) -> Mapping[str, str]:
        return self.recipe.metrics(config)

    def files(self, config: Options) -> Sequence[Path]:
        return self.recipe.files(config)

    def data(self, config: Options, names: Sequence[str], seed: int) -> Splits:
        return self.recipe.data(config, names, seed)

    def encoders(self, config: Options, names: Sequence[str]) -> dict[str, Encoder]:
        return self.recipe.encoders(config, names)

    def tasks(self, config: Options, names: Sequence[str]) -> dict[str, Task]:
        return self.recipe.tasks(config, names)

    def build(self, config: Options, names: Sequence[str], fusion: str) -> MultiTaskModel:
        return self.recipe.build(config, names, fusion)

    def learner(self, config: Options, model: MultiTaskModel) -> Learner:
        return self.recipe.learner(config, model)

    def training(self, config: Options) -> Mapping[str, Any]:
        return self.recipe.training(config)

    def candidates(self, config: Options) -> Sequence[Mapping[str, Any]]:
        return self.recipe.candidates(config)

    def job(self, row: str, seed: int) -> dict[str, Any]:
        """Return the job that trains a row."""
        return {"row": row, "protocol": self.protocol, "seed": seed}

    def run_job(self, config: Options, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of one job; each seed keeps its models in a folder of its own."""
        return super().run_job(config, folder / f"seed-{job['seed']}", job)

    def declared(self, config: Options) -> str:
        return self.recipe.declared(config)

    def stage(self, config: Options, row: str) -> str:
        return "search" if row in SEARCHED else self.recipe.stage(config, row.removesuffix(SAME_START))

    def keeps(self, config: Options, job: Mapping[str, Any]) -> bool:
        """Return whether to keep a model: those of single modalities, whose encoders a search starts with."""
        return job["row"] in self.modalities(config)
