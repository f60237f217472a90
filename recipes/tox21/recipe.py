"""The recipe: one masked head for all assays, from fingerprint and SMILES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.recipes.harness import Block, Grid, Heading, Recipe, Row, Splits, check_names
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.data import LICENCE, TASK, find, load, splits
from sennit.recipes.tox21.fitting import (
    Fitted,
    build,
    build_encoders,
    build_tasks,
    figures,
    fit,
    fit_alone,
    overall,
    predicted,
)
from sennit.recipes.tox21.references import Forest, random_forest
from sennit.tasks import MultiTaskModel, Task, create_sharing, list_balancings, list_weightings

_SHOWN = 20  # assays, at most, of which each has its figures
FOREST, SINGLE = "random forest, fingerprint", "single-task networks, fingerprint"


class Tox21Recipe(Recipe[Config]):
    """Fingerprint and SMILES of a molecule to its activity in each assay."""

    name = "tox21"
    title = "Activities of molecules in assays"
    licence = LICENCE
    about = (
        "Tox21: 8,014 molecules and 12 assays, in each of which a molecule is active, is not, or was not "
        "tried. ChEMBL: 23,871 molecules and 691 assays with a number, of which 0.7 % are known. All assays "
        "are one masked head, whose loss is the mean over what is known; or each assay is a task.",
        "Molecules are split by their Bemis-Murcko scaffold, the scaffolds of most molecules first: 80 % to "
        "train on, 10 % to choose options on, 10 % to test on. No scaffold is on two sides. The split is "
        "the same for all seeds, which differ in initial weights, order and trees.",
        "The figure is the mean over assays of the area under the ROC curve, or, where assays have numbers, "
        "the median of R², each over the molecules for which it is known.",
    )
    config = Config
    default_fusion = "mean_probability"

    def check(self, config: Config) -> None:
        super().check(config)
        sharing = create_sharing(config.sharing, **config.sharing_options)
        check_names("weighting", [config.weighting], list_weightings())
        if config.balancing is not None:
            check_names("balancing", [config.balancing], list_balancings())
            if not sharing.has_boundary:
                raise ValueError(
                    f"--balancing needs a tensor at which the tasks part. Found --sharing {config.sharing}, "
                    f"which has none. Leave one of them out."
                )

    def modalities(self, config: Config) -> tuple[str, ...]:
        return tuple(config.modalities)

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {TASK: "auroc" if config.assays == "classes" else "r2"}

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, self.encoders(config, names))

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        load(find(config.data, config.file), config.assays)  # what is wrong is said before there is a run
        return super().jobs(config)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return build_encoders(config, names)

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return build_tasks(config, self.assays(config))

    def assays(self, config: Config) -> tuple[str, ...]:
        """Their names, in the order of the file."""
        return load(find(config.data, config.file), config.assays).names

    def build(self, config: Config, names: Sequence[str], fusion: str) -> MultiTaskModel:
        return build(config, names, fusion, self.assays(config))

    def references(self, config: Config) -> Mapping[str, Any]:
        return {FOREST: None, **({SINGLE: None} if config.single_task else {})}

    def run_job(self, config: Config, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        row, seed = job["row"], job["seed"]
        if row == FOREST:
            data = self.data(config, ("fingerprint",), seed)
            return _figures(config, random_forest(config, data, self.assays(config), seed=seed))
        if row == SINGLE:
            return _result(config, fit_alone(config, seed=seed))
        modalities = self.modalities(config)
        names = (row,) if row in modalities else modalities
        fitted = fit(config, names, seed=seed, fusion=row)
        result = _result(config, fitted)
        model = fitted.model
        assert model is not None
        if len(names) > 1:
            test = splits(config, model.fused_encoder.leaves()).test.batch
            result["missing"] = {m: {TASK: self._without(config, model, test, m)} for m in names}
        if self.keeps(config, job):
            model.save_pretrained(folder / "checkpoints" / f"{row}-{job['protocol']}")
        return result

    def more(
        self, config: Config, jobs: Sequence[Mapping[str, Any]], results: Sequence[Any]
    ) -> Mapping[str, Any]:
        """By row, each seed's figure on validation molecules; of a few assays, those on test molecules."""
        found: dict[str, Any] = {"validation": {}, "by_assay": {}}
        for job, result in zip(jobs, results, strict=True):
            found["validation"].setdefault(job["row"], []).append(result["validation"])
            if len(result["by_assay"]) > _SHOWN:
                continue
            own = found["by_assay"].setdefault(job["row"], {})
            for assay, value in result["by_assay"].items():
                own.setdefault(assay, []).append(value)
        return found

    def sections(
        self,
        config: Config,
        rows: Sequence[Row],
        jobs: Sequence[Mapping[str, Any]],
        results: Sequence[Any],
    ) -> list[Block]:
        assays = self.assays(config)
        by_row = self.more(config, jobs, results)["by_assay"]
        if not by_row or len(assays) > _SHOWN:
            return []
        lines = [[name, *[_words(found.get(name, [])) for found in by_row.values()]] for name in assays]
        return [Heading("Each assay, mean over seeds"), Grid(["assay", *by_row], lines)]

    def _without(self, config: Config, model: MultiTaskModel, test: Batch, missing: str) -> float:
        """The score without a modality."""
        rest = tuple(m for m in self.modalities(config) if m != missing)
        scores = predicted(model, test.restrict(rest))
        return overall(config, figures(config, self.assays(config), scores, test))


def _words(values: Sequence[float]) -> str:
    """The mean over seeds; nothing where there is none."""
    return f"{np.mean(values):.3f}" if values else ""


def _figures(config: Config, found: Fitted | Forest) -> dict[str, Any]:
    return {
        "tasks": {TASK: {"score": overall(config, found.test)}},
        "by_assay": dict(found.test),
        "validation": overall(config, found.validation),
    }


def _result(config: Config, found: Fitted) -> dict[str, Any]:
    return {
        **_figures(config, found),
        "chosen": {},
        "seconds": found.seconds,
        "steps": found.steps,
        "waiting": found.waited_s / found.seconds,
    }


RECIPE = Tox21Recipe()
