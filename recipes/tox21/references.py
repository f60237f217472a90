"""Random forests on the same fingerprints and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from sennit.data import Batch
from sennit.recipes.harness import Splits
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.data import TASK
from sennit.recipes.tox21.figures import figures


@dataclass(frozen=True)
class Forest:
    """Figures of the forests.

    Attributes:
        validation: Figures on the validation molecules by assay.
        test: Figures on the test molecules by assay.
    """

    validation: Mapping[str, float]
    test: Mapping[str, float]


def random_forest(config: Config, data: Splits, assays: Sequence[str], *, seed: int) -> Forest:
    """Fit a forest for each assay on the training molecules.

    Args:
        config: Options.
        data: Molecules with fingerprints.
        assays: Names of the assays.
        seed: Random seed of the trees.
    """
    x, held_out = _bits(data.train.batch), [_bits(side.batch) for side in (data.validation, data.test)]
    y, labelled = (batch[TASK].numpy() for batch in (data.train.batch.targets, data.train.batch.labelled))
    scores: list[list[np.ndarray]] = [[], []]
    for assay in range(y.shape[1]):
        rows = labelled[:, assay]
        labels = y[rows, assay]
        if len(np.unique(labels)) < 2:
            predict = partial(_constant, float(labels.mean()) if len(labels) else 0.0)
        else:
            predict = _fitted(config, x[rows], labels, seed)
        for side, bits in enumerate(held_out):
            scores[side].append(predict(bits))
    validation, test = (
        figures(config, assays, torch.from_numpy(np.stack(columns, 1)), side.batch)
        for columns, side in zip(scores, (data.validation, data.test), strict=True)
    )
    return Forest(validation, test)


def _bits(batch: Batch) -> np.ndarray:
    return batch.inputs["fingerprint"].numpy()


def _constant(value: float, x: np.ndarray) -> np.ndarray:
    return np.full(len(x), value)


def _fitted(config: Config, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """Return a function from fingerprints to the probability of being active, or to the number."""
    options = {"n_estimators": config.trees, "random_state": seed}
    if config.assays == "numbers":
        return RandomForestRegressor(**options).fit(x, y).predict
    model = RandomForestClassifier(**options).fit(x, y.astype(int))
    return lambda bits: model.predict_proba(bits)[:, 1]
