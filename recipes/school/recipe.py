"""The recipe: sharings by name among 139 schools, and regressions to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sennit.data.task_sampling import SAMPLINGS
from sennit.encoders import Encoder
from sennit.recipes.harness import Recipe, Splits, Stopwatch, find_arrays
from sennit.recipes.school.config import JOINT, POOLED, Config
from sennit.recipes.school.data import FILE, LICENCE, explained_variance, inner_split, load, pooled, split
from sennit.recipes.school.fitting import Scale, build, build_encoders, choose, train
from sennit.recipes.school.references import REFERENCES, run_reference
from sennit.registry import check_names
from sennit.tasks import MultiTaskModel, Regression, Task, list_balancings, list_sharings, list_weightings


class SchoolRecipe(Recipe[Config]):
    """Features of a pupil to the exam score, each school a task."""

    name = "school"
    compares = "sharings"
    title = "ILEA School: exam scores of the pupils of 139 schools"
    licence = LICENCE
    about = (
        "15,362 pupils of 139 schools of inner London, 22 to 251 a school, in three years. 28 features: the "
        "year, gender, ethnic group and verbal reasoning band of the pupil; the school's gender, "
        "denomination and shares of pupils with free meals and in the best band. Each school is a task, "
        "and each pupil has a label of one task.",
        "30 % of each school's pupils train, the others test; a split a seed. Every choice is made on a "
        "quarter of the training pupils, and what is chosen is then trained on all of them. The figure is "
        "the explained variance, 1 − Σ (y − ŷ)² / Σ (y − ȳ)², over all test pupils together.",
        "Networks learn the square root of the score, since the scores of good pupils vary more, and give "
        "back the mean of the score; how much of a gain that is shows in the ridge with school intercepts, "
        "which is listed on both scales.",
    )
    config = Config
    spread = "splits"

    def check(self, config: Config) -> None:
        super().check(config)
        check_names("sharing", [*config.sharings, *config.own_settings], list_sharings())
        check_names("weighting", [config.weighting], list_weightings())
        if config.balancing is not None:
            check_names("balancing", [config.balancing], list_balancings())
        check_names("--sampling", [config.sampling], (POOLED, *SAMPLINGS))

    def modalities(self, config: Config) -> tuple[str, ...]:
        return ("pupil",)

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"exam": "explained_variance"}

    def files(self, config: Config) -> list[Path]:
        return [find_arrays(config.data, FILE)]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        data = load(config.data)
        train, test = split(data, seed)
        fitted, chosen = inner_split(data, train, seed)
        target = Scale.of(data.score[fitted]).to(data.score)
        parts = [pooled(data, rows, target) for rows in (fitted, chosen, test)]
        return Splits(parts[0], parts[1], parts[2])

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return build_encoders(config)

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return {name: Regression() for name in load(config.data).names}

    def build(self, config: Config, names: Sequence[str], fusion: str) -> MultiTaskModel:
        """Return a new model of a row, which is a sharing here."""
        return build(config.of(fusion), load(config.data), fusion)

    def references(self, config: Config) -> Mapping[str, Any]:
        return REFERENCES

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        load(config.data)  # a bad file is refused here, before there is a run
        return [
            {"row": row, "protocol": "test", "seed": seed}
            for row in (*config.sharings, *REFERENCES)
            for seed in range(config.seeds)
        ]

    def run_job(self, config: Config, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        data, row, seed = load(config.data), job["row"], job["seed"]
        rows, test = split(data, seed)
        if row in REFERENCES:
            return run_reference(row, data, rows, test, seed)
        watch, config = Stopwatch(), config.of(row)
        setting, variance = choose(config, data, rows, row, seed=seed, watch=watch)
        members = [
            train(config, data, rows, row, setting, seed=1000 * member + seed, watch=watch)
            for member in range(config.members)
        ]
        outputs = np.mean([member.outputs(data, test) for member in members], axis=0)
        predicted = members[0].scale.back(outputs, variance)
        if self.keeps(config, job):
            members[0].model.save_pretrained(folder / "checkpoints" / f"{row}-{job['protocol']}")
        return {
            "tasks": {"exam": {"score": explained_variance(predicted, data.score[test])}},
            "chosen": {"head_penalty" if row == JOINT else "head_rate": setting},
            "seconds": watch.seconds,
            "waiting": watch.waiting,
            "left_out": watch.left_out,
        }

    def declared(self, config: Config) -> str:
        return config.sharings[0]

    def stage(self, config: Config, row: str) -> str:
        return "reference" if row in REFERENCES else "sharing"


RECIPE = SchoolRecipe()
