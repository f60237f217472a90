"""A recipe with the best fusions of searches beside those picked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.encoders import Encoder
from sennit.fusion import ModalityDropout, create_fusion
from sennit.fusion.cell.genome import Genome
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe, Splits, TrainedRecipe
from sennit.tasks import Learner, MultiTaskModel, Task, create_sharing, create_weighting


class Compared(TrainedRecipe[Any]):
    """A recipe by its first protocol, trained as the harness trains, without its references.

    Args:
        recipe: Recipe to compare by.
        winners: Genome of each row whose fusion a search chose.
    """

    def __init__(self, recipe: Recipe[Any], winners: Mapping[str, Genome] | None = None) -> None:
        self.recipe, self.winners = recipe, dict(winners or {})
        self.monitor, self.config = recipe.monitor, recipe.config
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
        if fusion not in self.winners:
            return self.recipe.build(config, names, fusion)
        # All parts but the fusion are the recipe's.
        plain = self.recipe.build(config, names, "concat")
        encoders = plain.fused_encoder.leaves()
        return MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion("cells", encoders, genome=self.winners[fusion].to_dict()),
            tasks=dict(plain.tasks.items()),
            sharing=create_sharing(**plain.sharing.config),
            weighting=create_weighting(**plain.weighting.config),
            modality_dropout=ModalityDropout.from_config(plain.modality_dropout.config),
            transforms=plain.transforms,
        )

    def learner(self, config: Options, model: MultiTaskModel) -> Learner:
        return self.recipe.learner(config, model)

    def training(self, config: Options) -> Mapping[str, Any]:
        return self.recipe.training(config)

    def candidates(self, config: Options) -> Sequence[Mapping[str, Any]]:
        return self.recipe.candidates(config)

    def jobs(self, config: Options) -> list[dict[str, Any]]:
        rows = self.winners or [*config.fusions, *self.modalities(config)]
        return [self.job(row, seed) for seed in range(config.seeds) for row in rows]

    def job(self, row: str, seed: int) -> dict[str, Any]:
        """Return the job that trains a row."""
        return {"row": row, "protocol": self.protocol, "seed": seed}

    def declared(self, config: Options) -> str:
        return self.recipe.declared(config)

    def stage(self, config: Options, row: str) -> str:
        return "search" if row in self.winners else self.recipe.stage(config, row)

    def keeps(self, config: Options, job: Mapping[str, Any]) -> bool:
        """Return whether to keep a model: of the first seed, single modalities and the searches' winners."""
        return job["seed"] == 0 and (job["row"] in self.winners or job["row"] in self.modalities(config))
