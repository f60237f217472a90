"""The recipe: a perceptron a modality, and logistic regressions to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sennit.encoders import Encoder, create_encoder
from sennit.recipes.harness import Splits, TrainedRecipe, find_arrays
from sennit.recipes.mosi.config import Config
from sennit.recipes.mosi.data import FILE, LICENCE, SIZES, load, splits
from sennit.tasks import Classification, Task

_C = 0.01  # inverse regularisation of the logistic regressions


class MOSIRecipe(TrainedRecipe[Config]):
    """Text, sound and picture to the sentiment."""

    name = "mosi"
    title = "CMU-MOSI: sentiment from text, sound and picture"
    licence = LICENCE
    about = (
        "2,199 utterances of 93 videos: 1,447 of 62 videos to train on, 752 of 31 "
        "others to test on, by the official split. The features of an utterance are public ones: 100 of the "
        "text, 73 of the sound, 100 of the picture. The sentiment is negative or positive.",
        "It seems that the features of text and picture were made by networks trained on the labels of the "
        "training videos. On these videos they predict better than on new ones: over five folds of the "
        "training videos, a logistic regression has .98 from the text and .92 from the picture; on the "
        "test videos, .757 and .515. So a validation set cut from training videos says little about new "
        "videos, and a model that relies on the picture as the training data suggest is misled. Epoch and "
        "dropout are chosen there all the same: nothing is chosen on test videos.",
        "Thirteen training videos are the validation data, other ones for each seed. The logistic "
        f"regressions (standardised features, C = {_C:g}) read all training videos.",
    )
    config = Config

    def modalities(self, config: Config) -> tuple[str, ...]:
        return tuple(SIZES)

    def metrics(self, config: Config) -> Mapping[str, str]:
        return {"sentiment": "accuracy"}

    def files(self, config: Config) -> list[Path]:
        return [find_arrays(config.data, FILE)]

    def data(self, config: Config, names: Sequence[str], seed: int) -> Splits:
        return splits(config.data, names, seed)

    def jobs(self, config: Config) -> list[dict[str, Any]]:
        load(config.data)  # a bad file is refused here, before there is a run
        return super().jobs(config)

    def encoders(self, config: Config, names: Sequence[str]) -> dict[str, Encoder]:
        return {
            name: create_encoder(
                "mlp",
                SIZES[name],
                embed_dim=config.width,
                width=config.width,
                depth=1,
                dropout=max(config.dropouts),
            )
            for name in names
        }

    def tasks(self, config: Config, names: Sequence[str]) -> dict[str, Task]:
        return {"sentiment": Classification(["negative", "positive"])}

    def candidates(self, config: Config) -> Sequence[Mapping[str, Any]]:
        return [{"dropouts": [p]} for p in config.dropouts]

    def references(self, config: Config) -> Mapping[str, tuple[str, ...]]:
        singles = {f"logistic regression, {name}": (name,) for name in SIZES}
        return {**singles, "logistic regression": tuple(SIZES)}

    def run_reference(self, config: Config, job: Mapping[str, Any]) -> dict[str, Any]:
        names = self.references(config)[job["row"]]
        train, test = load(config.data)
        x, tested = (torch.cat([side.batch.inputs[m] for m in names], 1).numpy() for side in (train, test))
        y, true = (side.batch.targets["sentiment"].numpy() for side in (train, test))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000)).fit(x, y)
        right = model.predict(tested) == true
        task = {"score": float(right.mean()), "correct": right.astype(int).tolist()}
        return {"tasks": {"sentiment": task}, "units": test.video.tolist()}


RECIPE = MOSIRecipe()
