"""The recipe: one masked head for all assays, from fingerprint and SMILES."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders import Encoder, create_encoder
from fusion import create_fusion
from recipes.harness import Recipe, Splits
from recipes.harness.cell import train
from recipes.harness.evaluate import batches, evaluate
from recipes.tox21.config import Config
from recipes.tox21.data import LICENCE, TASK, find, load, splits
from recipes.tox21.references import random_forest
from tasks import MultiLabel, MultiTaskModel, Regression, Task

FOREST, SINGLE = "random forest, fingerprint", "single-task networks, fingerprint"


class Tox21Recipe(Recipe[Config]):
    """Fingerprint and SMILES of a molecule to its activity in each assay."""

    name = "tox21"
    title = "Activities of molecules in assays"
    licence = LICENCE
    about = (
        "Tox21: 8,014 molecules and 12 assays, in each of which a molecule is active, is not, or was not "
        "tried. ChEMBL: 23,871 molecules and 691 assays with a number, of which 0.7 % are known. All assays "
        "are one masked head: the loss is the mean over what is known.",
        "Molecules are split by their Bemis-Murcko scaffold, the scaffolds of most molecules first: 80 % to "
        "train on, 10 % to choose the epoch on, 10 % to test on. No scaffold is on two sides. The split is "
        "the same for all seeds, which differ in initial weights, order and trees.",
        "The figure is a mean over assays: of the area under the ROC curve, or of R² where assays have "
        "numbers, each over the molecules for which it is known.",
    )
    config = Config

    def modalities(self, config: Config) -> tuple[str, ...]:
        return ("fingerprint", "smiles")

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {TASK: "auroc" if config.assays == "classes" else "r2"}

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, self.encoders(config, names))

    def cells(self, config: Config) -> list[dict[str, Any]]:
        load(find(config.data, config.file), config.assays)  # what is wrong is said before there is a run
        return super().cells(config)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        known: dict[str, Encoder] = {
            "fingerprint": create_encoder(
                "morgan",
                size=config.fingerprint_bits,
                radius=config.radius,
                embed_dim=config.width,
                width=config.width,
                dropout=config.dropout,
            ),
            "smiles": create_encoder("bytes", max_length=config.max_length, dropout=config.dropout),
        }
        return {name: known[name] for name in names}

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return {TASK: _head(config, load(find(config.data, config.file), config.assays).names)}

    def references(self, config: Config) -> Mapping[str, Any]:
        return {FOREST: None, **({SINGLE: None} if config.single_task else {})}

    def run_cell(self, config: Config, folder: Path, cell: Mapping[str, Any]) -> dict[str, Any]:
        if cell["row"] == FOREST:
            data = self.data(config, ("fingerprint",), cell["seed"])
            return {"tasks": {TASK: {"score": random_forest(config, data, seed=cell["seed"])}}}
        if cell["row"] == SINGLE:
            return self._single_task(config, folder, cell["seed"])
        return super().run_cell(config, folder, cell)

    def _single_task(self, config: Config, folder: Path, seed: int) -> dict[str, Any]:
        """A network for each assay, trained as the others on the molecules for which it is known."""
        scores, start = [], time.perf_counter()
        for place, name in enumerate(load(find(config.data, config.file), config.assays).names):
            encoders = self.encoders(config, ("fingerprint",))
            data = splits(config, encoders, only=[place])
            torch.manual_seed(1000 * seed + place)
            model = MultiTaskModel(
                encoders=encoders,
                fusion=create_fusion("concat", encoders, embed_dim=config.width),
                tasks={TASK: _head(config, [name])},
                modality_dropout=0.0,
            )
            own = folder / "training" / f"single-{seed}-{place}"
            train(self, config, model, data, own, seed=seed)
            found = evaluate(model.eval(), batches(model, data.test, 512), self.metrics(config))
            scores.append(found[TASK]["score"])
            shutil.rmtree(own)
        score = float(np.nanmean(scores))
        return {"tasks": {TASK: {"score": score}}, "by_assay": scores, "seconds": time.perf_counter() - start}


def _head(config: Config, names: Sequence[str]) -> Task:
    return (
        MultiLabel(names, auroc=True) if config.assays == "classes" else Regression(len(names), sparse=True)
    )


RECIPE = Tox21Recipe()
