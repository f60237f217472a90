"""Random forests on the same fingerprints and split."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from recipes.harness import Splits
from recipes.tox21.config import Config
from recipes.tox21.data import TASK
from tasks._by_label import mean_by_label, r2, roc_auc


def random_forest(config: Config, data: Splits, *, seed: int) -> float:
    """The mean figure of a forest for each assay; validation molecules are not used."""
    sides = [side.batch for side in (data.train, data.test)]
    x, tested = (batch.inputs["fingerprint"].numpy().astype(np.uint8) for batch in sides)
    targets = [batch.targets[TASK].numpy() for batch in sides]
    known = [batch.labelled[TASK].numpy() for batch in sides]
    scores = np.zeros_like(targets[1])
    for assay in range(targets[0].shape[1]):
        rows = known[0][:, assay]
        y = targets[0][rows, assay]
        if len(np.unique(y)) < 2:
            scores[:, assay] = y.mean() if len(y) else 0.0
        else:
            scores[:, assay] = _fitted(config, x[rows], y, seed)(tested)
    true = torch.from_numpy(np.where(known[1], targets[1], np.nan))
    figure = roc_auc if config.assays == "classes" else r2
    return float(mean_by_label(figure, torch.from_numpy(scores), true))


def _fitted(config: Config, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """From fingerprints to the probability of being active, or to the number."""
    options = {"n_estimators": config.trees, "random_state": seed}
    if config.assays == "numbers":
        return RandomForestRegressor(**options).fit(x, y).predict
    model = RandomForestClassifier(**options).fit(x, y.astype(int))
    return lambda tested: model.predict_proba(tested)[:, 1]
