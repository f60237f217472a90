"""The recipe: small convolutional nets, one loss of two tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.data import LICENCE, MODALITIES, SAMPLE_RATE, SPEAKERS, folder_of, splits
from sennit.recipes.avdigits.files import MNIST, find_files
from sennit.recipes.harness import Splits, TrainedRecipe
from sennit.registry import check_names
from sennit.tasks import (
    Classification,
    Learner,
    MultiTaskModel,
    Task,
    create_balancing,
    create_sharing,
    create_weighting,
    list_balancings,
    list_sharings,
    list_weightings,
)

SINGLE = "single-task networks"


class AVDigits(TrainedRecipe[Config]):
    """Image and speech to the digit and its speaker."""

    name = "avdigits"
    title = "Spoken and written digits"
    licence = LICENCE
    about = (
        "A written digit (MNIST) and the same digit spoken (Free Spoken Digit Dataset), both made hard to "
        "recognise. The leading principal components of the images, which hold 75 % of the energy, are "
        "removed, and Gaussian noise is added (σ 0.25 on the 0–1 scale). Three other utterances are added to "
        "each, together as loud as it is. In training, the noise is drawn anew in each epoch; validation and "
        "test data stay the same.",
        "8,000 training pairs, other ones for each seed; 3,000 pairs to validate on and 3,000 to test on. "
        "Images and utterances are split by the official splits (utterances 0–4 of each digit and speaker "
        "are the test); validation data are cut from training data (utterances 5–9, the last 10,000 images). "
        "The voices that are mixed in come from the split's own utterances. The bootstrap draws test "
        "utterances: the 3,000 test pairs share 300.",
        "Both tasks read the fused features. The image does not show who speaks, but which digit to listen "
        "for among the voices. Of the six epochs the best by the digit's accuracy on the validation data is "
        "tested, once.",
    )
    config = Config
    default_fusion = "central_net"  # the best on validation data, over 5 seeds

    def check(self, config: Config) -> None:
        super().check(config)
        check_names("sharing", [config.sharing], list_sharings())
        check_names("weighting", [config.weighting], list_weightings())
        if config.balancing is not None:
            check_names("balancing", [config.balancing], list_balancings())

    def modalities(self, config: Config) -> tuple[str, ...]:
        return MODALITIES

    def metrics(self, config: Config) -> Mapping[str, str]:
        return dict.fromkeys(config.tasks, "accuracy")

    def files(self, config: Config) -> list[Path]:
        files = find_files(folder_of(config))
        return [*(files.images / name for name in MNIST), files.speech]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config, names, seed)

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        for fusion in config.fusions:  # parts that do not work together are refused before there is a run
            self.learner(config, self.build(config, MODALITIES, fusion))
        find_files(folder_of(config))  # downloads once here, not in each worker
        jobs = super().jobs(config)
        return [job for job in jobs if job["row"] != "image" or "digit" in config.tasks]

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        encoders: dict[str, Encoder] = {
            "image": create_encoder(
                "conv", 1, image_size=28, widths=(32, 64, 128, config.width), mean=0, std=1
            ),
            "speech": create_encoder(
                "logmel_conv",
                sample_rate=SAMPLE_RATE,
                n_mels=64,
                window_s=0.032,
                hop_s=0.01,
                widths=(16, 32, 64, 128),
                embed_dim=config.width,
            ),
        }
        return {name: encoders[name] for name in names}

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        tasks: dict[str, Task] = {"digit": Classification(10)}
        if "speech" in names:
            tasks["speaker"] = Classification(SPEAKERS)
        return {name: tasks[name] for name in config.tasks if name in tasks}

    def build(self, config: Config, names: Sequence[str], fusion: str) -> MultiTaskModel:
        encoders = self.encoders(config, names)
        return MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion(fusion, encoders, embed_dim=config.width),
            tasks=self.tasks(config, names),
            sharing=create_sharing(config.sharing, **config.sharing_options),
            weighting=create_weighting(config.weighting),
            modality_dropout=config.modality_dropout if len(names) > 1 else 0.0,
        )

    def learner(self, config: Config, model: MultiTaskModel) -> Learner:
        balancing = None if config.balancing is None else create_balancing(config.balancing)
        return Learner(
            model,
            lr=config.lr,
            weight_decay=config.weight_decay,
            schedule="one_cycle",
            balancing=balancing,
        )

    def references(self, config: Config) -> Mapping[str, Any]:
        return {SINGLE: None} if config.single_task else {}

    def run_job(self, config: Config, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        if job["row"] != SINGLE:
            return super().run_job(config, folder, job)
        by_task: dict[str, dict[str, Any]] = {}
        for task in config.tasks:  # trained as the others are, each with its own best epoch
            alone = {**job, "row": self.declared(config), "alone": task}
            by_task[task] = self.run_job(single_task(config, task), folder, alone)
        results = list(by_task.values())
        return {
            "tasks": {task: result["tasks"][task] for task, result in by_task.items()},
            "units": results[0]["units"],
            "seconds": sum(result["seconds"] for result in results),
            "steps": sum(result["steps"] for result in results),
            "waiting": max(result["waiting"] for result in results),
        }

    def keeps(self, config: Config, job: Mapping[str, Any]) -> bool:
        return "alone" not in job and super().keeps(config, job)


def single_task(config: Config, task: str) -> Config:
    """Return the options for a network of one task, which has nothing to share, weight or balance."""
    return dataclasses.replace(
        config,
        tasks=[task],
        sharing="hard",
        sharing_options={},
        weighting="equal",
        balancing=None,
        single_task=False,
    )


RECIPE = AVDigits()
