"""A recipe of two small tables, trained in a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder, create_encoder
from sennit.recipes.command_line import Options, parse_options
from sennit.recipes.harness import Splits, TrainedRecipe, run_recipe
from sennit.tasks import Classification, Task


@dataclass
class Config(Options):
    """A test.

    Args:
        rates: Candidates for the learning rate.
    """

    seeds: int = 2
    fusions: list[str] = field(default_factory=lambda: ["concat", "gated"])
    epochs: int = 3
    batch_size: int = 16
    width: int = 8
    workers: int = 0
    rates: list[float] = field(default_factory=lambda: [1e-4, 1e-2])


class Tiny(TrainedRecipe[Config]):
    name = "tiny"
    title = "A tiny recipe"
    licence = "No data."
    about = ("Made up.",)
    config = Config

    def modalities(self, config: Config) -> tuple[str, ...]:
        return ("a", "b")

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"class": "accuracy", "of_b": "accuracy"}

    def files(self, config: Config) -> list[Path]:
        return [] if config.data is None else [config.data]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        generator = torch.Generator().manual_seed(0)
        parts = []
        for size in (96, 48, 60):
            labels = torch.arange(size) % 2
            x = {m: torch.randn(size, 4, generator=generator) + labels[:, None] for m in ("a", "b")}
            targets = {"class": labels, **({"of_b": labels} if "b" in names else {})}
            parts.append(BatchDataset(Batch.of({m: x[m] for m in names}, targets=targets)))
        return Splits(*parts, units=[i // 3 for i in range(60)])

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return {m: create_encoder("mlp", 4, embed_dim=8, width=8) for m in names}

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        tasks: dict[str, Task] = {"class": Classification(2)}
        if "b" in names:
            tasks["of_b"] = Classification(2, reads=("b",))
        return tasks

    def candidates(self, config: Config) -> Sequence[Mapping[str, Any]]:
        return [{"lr": rate} for rate in config.rates]


RECIPE = Tiny()


def main(arguments: Sequence[str]) -> Path:
    """Run the recipe; return the run folder."""
    return run_recipe(RECIPE, *parse_options(Config, arguments, prog="tiny"))
