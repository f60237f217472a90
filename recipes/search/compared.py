"""A recipe with the fusions that searches found beside those picked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sennit.encoders import Encoder
from sennit.fusion import ModalityDropout, create_fusion
from sennit.fusion.cell.genome import Genome
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Recipe, Splits, TrainedRecipe
from sennit.tasks import MultiTaskModel, Task, create_sharing, create_weighting


class Compared(TrainedRecipe[Any]):
    """The recipe by its first protocol, trained as the harness trains; its references are left out.

    Args:
        recipe: The recipe.
        found: By row, the structure of its fusion.
    """

    def __init__(self, recipe: Recipe[Any], found: Mapping[str, Genome] | None = None) -> None:
        self.recipe, self.found = recipe, dict(found or {})
        self.monitor, self.config = recipe.monitor, recipe.config
        self.protocol = next(iter(recipe.protocols))

    def modalities(self, config: Options) -> tuple[str, ...]:
        return self.recipe.modalities(config)

    def metrics(self, config: Options) -> Mapping[str, str]:
        return self.recipe.metrics(config)

    def data(self, config: Options, names: Sequence[str], seed: int) -> Splits:
        return self.recipe.data(config, names, seed)

    def encoders(self, config: Options, names: Sequence[str]) -> dict[str, Encoder]:
        return self.recipe.encoders(config, names)

    def tasks(self, config: Options, names: Sequence[str]) -> dict[str, Task]:
        return self.recipe.tasks(config, names)

    def build(self, config: Options, names: Sequence[str], fusion: str) -> MultiTaskModel:
        if fusion not in self.found:
            return self.recipe.build(config, names, fusion)
        # All parts are the recipe's but for the fusion.
        plain = self.recipe.build(config, names, "concat")
        encoders = plain.fused_encoder.leaves()
        return MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion("cells", encoders, genome=self.found[fusion].to_dict()),
            tasks=dict(plain.tasks.items()),
            sharing=create_sharing(**plain.sharing.config),
            weighting=create_weighting(**plain.weighting.config),
            modality_dropout=ModalityDropout.from_config(plain.modality_dropout.config),
            transforms=plain.transforms,
        )

    def learner(self, config: Options, model: MultiTaskModel) -> Any:
        return self.recipe.learner(config, model)

    def training(self, config: Options) -> Mapping[str, Any]:
        return self.recipe.training(config)

    def candidates(self, config: Options) -> Sequence[Mapping[str, Any]]:
        return self.recipe.candidates(config)

    def jobs(self, config: Options) -> list[dict[str, Any]]:
        rows = self.found or [*config.fusions, *self.modalities(config)]
        return [cell for seed in range(config.seeds) for row in rows for cell in [self.cell(row, seed)]]

    def cell(self, row: str, seed: int) -> dict[str, Any]:
        """A row's cell."""
        return {"row": row, "protocol": self.protocol, "seed": seed}

    def declared(self, config: Options) -> str:
        return self.recipe.declared(config)

    def stage(self, config: Options, row: str) -> str:
        return "search" if row in self.found else self.recipe.stage(config, row)

    def keeps(self, config: Options, cell: Mapping[str, Any]) -> bool:
        """Of the first seed what a search starts from, and what it found."""
        return cell["seed"] == 0 and (cell["row"] in self.found or cell["row"] in self.modalities(config))
