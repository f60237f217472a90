"""The recipe: one masked head for all assays, from fingerprint and SMILES."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.html_page import Block, Grid, Heading
from sennit.recipes.harness import Recipe, Splits, TableRow
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.data import LICENCE, TASK, find, load, splits
from sennit.recipes.tox21.figures import figures, overall, predicted
from sennit.recipes.tox21.fitting import Trained, train, train_alone
from sennit.recipes.tox21.model import build, build_encoders, build_tasks
from sennit.recipes.tox21.references import Forest, random_forest
from sennit.registry import check_names
from sennit.tasks import MultiTaskModel, Task, create_sharing, list_balancings, list_weightings

_SHOWN = 20  # most assays that have a row of the report each
FOREST, SINGLE = "random forest, fingerprint", "single-task networks, fingerprint"


class Tox21Recipe(Recipe[Config]):
    """Fingerprint and SMILES of a molecule to its activity in each assay."""

    name = "tox21"
    title = "Activities of molecules in assays"
    licence = LICENCE
    about = (
        "Tox21: 8,014 molecules and 12 assays, in each of which a molecule is active, inactive, or was not "
        "tested. ChEMBL: 23,871 molecules and 691 assays with a number, of which 0.7 % are known. All assays "
        "are one masked head, whose loss is the mean over the known values; or each assay is a task.",
        "Molecules are split by their Bemis-Murcko scaffold, the scaffolds with most molecules first: 80 % "
        "to train on, 10 % to choose options on, 10 % to test on. No scaffold is on two sides. The split is "
        "the same for all seeds, which differ in initial weights, order and trees.",
        "The figure is the mean over assays of the area under the ROC curve, or, where assays have numbers, "
        "the median of R², each over the molecules with a label.",
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

    def files(self, config: Config) -> list[Path]:
        return [find(config.data, config.file)]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, self.encoders(config, names))

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        load(find(config.data, config.file), config.assays)  # a bad file is refused before there is a run
        return super().jobs(config)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return build_encoders(config, names)

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return build_tasks(config, self.assays(config))

    def assays(self, config: Config) -> tuple[str, ...]:
        """Return the names of the assays, in the order of the file."""
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
            return _result(config, train_alone(config, seed=seed))
        modalities = self.modalities(config)
        names = (row,) if row in modalities else modalities
        trained = train(config, names, seed=seed, fusion=row)
        result = _result(config, trained)
        model = trained.model
        assert model is not None
        if len(names) > 1:
            test = splits(config, model.fused_encoder.leaves()).test.batch
            result["missing"] = {m: {TASK: self._without(config, model, test, m)} for m in names}
        if self.keeps(config, job):
            model.save_pretrained(folder / "checkpoints" / f"{row}-{job['protocol']}")
        return result

    def further_metrics(
        self, config: Config, jobs: Sequence[Mapping[str, Any]], results: Sequence[Any]
    ) -> Mapping[str, Any]:
        """Return by row each seed's figure on validation molecules, and those of each of a few assays."""
        by_row: dict[str, Any] = {"validation": {}, "by_assay": {}}
        for job, result in zip(jobs, results, strict=True):
            by_row["validation"].setdefault(job["row"], []).append(result["validation"])
            if len(result["by_assay"]) > _SHOWN:
                continue
            of_assays = by_row["by_assay"].setdefault(job["row"], {})
            for assay, value in result["by_assay"].items():
                of_assays.setdefault(assay, []).append(value)
        return by_row

    def sections(
        self,
        config: Config,
        rows: Sequence[TableRow],
        jobs: Sequence[Mapping[str, Any]],
        results: Sequence[Any],
    ) -> list[Block]:
        assays = self.assays(config)
        by_row = self.further_metrics(config, jobs, results)["by_assay"]
        if not by_row or len(assays) > _SHOWN:
            return []
        lines = [[name, *[_mean(values.get(name, [])) for values in by_row.values()]] for name in assays]
        return [Heading("Each assay, mean over seeds"), Grid(["assay", *by_row], lines)]

    def _without(self, config: Config, model: MultiTaskModel, test: Batch, missing: str) -> float:
        """Return the score without a modality."""
        rest = tuple(m for m in self.modalities(config) if m != missing)
        scores = predicted(model, test.restrict(rest))
        return overall(config, figures(config, self.assays(config), scores, test))


def _mean(values: Sequence[float]) -> str:
    """Return the mean over seeds; nothing where there is none."""
    return f"{np.mean(values):.3f}" if values else ""


def _figures(config: Config, outcome: Trained | Forest) -> dict[str, Any]:
    return {
        "tasks": {TASK: {"score": overall(config, outcome.test)}},
        "by_assay": dict(outcome.test),
        "validation": overall(config, outcome.validation),
    }


def _result(config: Config, trained: Trained) -> dict[str, Any]:
    return {
        **_figures(config, trained),
        "chosen": {},
        "seconds": trained.watch.seconds,
        "steps": trained.steps,
        "waiting": trained.watch.waiting,
        "left_out": trained.watch.left_out,
    }


RECIPE = Tox21Recipe()
