"""The recipe as the harness runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.data import BatchDataset
from sennit.encoders import Encoder
from sennit.html_page import Block
from sennit.recipes.harness import Recipe, Splits, TableRow
from sennit.recipes.htad.augment import Augment
from sennit.recipes.htad.config import DEFAULT_FUSION, Config
from sennit.recipes.htad.data import LICENCE, MODALITIES, PROTOCOLS, find_csv, folds, inner_splits, load
from sennit.recipes.htad.model import build, build_encoders, build_tasks, only
from sennit.recipes.htad.references import REFERENCES
from sennit.recipes.htad.report import HOW, WHY, sections
from sennit.recipes.htad.train import run_job
from sennit.tasks import MultiTaskModel, Task

WEIGHTING = "uncertainty"


class HTADRecipe(Recipe[Config]):
    """Sound and wrist movement to the activity."""

    name = "htad"
    title = "Home Tasks Activities: sound and wrist movement"
    licence = LICENCE
    about = (WHY, HOW)
    config = Config
    default_fusion = DEFAULT_FUSION
    protocols = PROTOCOLS
    spread = "folds and seeds"

    def modalities(self, config: Config) -> tuple[str, ...]:
        return tuple(MODALITIES)

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"activity": "accuracy", "motion": "r2"}

    def files(self, config: Config) -> list[Path]:
        return [config.data or find_csv()]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        """Return the first fold of the same recordings; the jobs go through all folds."""
        data = load(config.data)
        train, test = folds(data, "same", seed)[0]
        fit, check = next(inner_splits(data, "same", train, seed))
        shown = {"weighting": WEIGHTING if "audio" in names else None}
        fit_part, check_part, test_part = (
            only(data.batch, rows, names, shown) for rows in (fit, check, test)
        )
        noise = Augment(fit_part, max(config.strengths))
        return Splits(
            BatchDataset(fit_part, transform=noise), BatchDataset(check_part), BatchDataset(test_part)
        )

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return build_encoders(config, names)

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return build_tasks(load(config.data).activities, WEIGHTING if "audio" in names else None)

    def build(self, config: Config, names: Sequence[str], fusion: str) -> MultiTaskModel:
        weighting = WEIGHTING if "audio" in names else None
        return build(config, fusion, load(config.data).activities, list(names), weighting)

    def references(self, config: Config) -> Mapping[str, Any]:
        return REFERENCES

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        data, declared = load(config.data), self.declared(config)
        rows = [(declared, None), (declared, WEIGHTING)]
        rows += [(fusion, None) for fusion in config.fusions if fusion != declared]
        rows += [(name, None) for name in (*MODALITIES, *REFERENCES)]
        return [
            {"row": row, "weighting": weighting, "protocol": protocol, "seed": seed, "fold": fold}
            for row, weighting in rows
            for protocol in PROTOCOLS
            for seed in range(config.seeds)
            for fold in range(len(folds(data, protocol, seed)))
        ]

    def run_job(self, config: Config, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        row = job["row"]
        kept = row == self.declared(config) and job["seed"] == 0 and job["weighting"] is None
        name = f"{row}-{job['protocol']}-fold{job['fold']}"
        return run_job(config, job, keep=folder / "checkpoints" / name if kept else None)

    def ablation(self, job: Mapping[str, Any]) -> str | None:
        return None if job["weighting"] is None else f"{job['row']} with motion"

    def sections(
        self,
        config: Config,
        rows: Sequence[TableRow],
        jobs: Sequence[Mapping[str, Any]],
        results: Sequence[Any],
    ) -> list[Block]:
        return sections(load(config.data).activities, rows, jobs, results)


RECIPE = HTADRecipe()
