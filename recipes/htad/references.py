"""Classifiers of the features, to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sennit.recipes.htad.data import HTAD, MODALITIES

_CLASSIFIERS = {
    "extra trees": lambda seed: ExtraTreesClassifier(300, random_state=seed),
    "rbf svm": lambda seed: make_pipeline(StandardScaler(), SVC(C=10)),
}
REFERENCES = {
    name if len(modalities) > 1 else f"{name}, {modalities[0]}": (name, modalities)
    for name in _CLASSIFIERS
    for modalities in (*[(m,) for m in MODALITIES], tuple(MODALITIES))
}


def run_reference(job: Mapping[str, Any], data: HTAD, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the activities that a reference, fitted on the training rows, predicts for the test rows.

    Args:
        job: Job, whose ``row`` is one of `REFERENCES`.
        data: All windows.
        train: Training rows.
        test: Test rows.
    """
    name, modalities = REFERENCES[job["row"]]
    x = torch.cat([data.batch.inputs[m] for m in modalities], 1).numpy()
    y = data.batch.targets["activity"].numpy()
    return np.asarray(_CLASSIFIERS[name](job["seed"]).fit(x[train], y[train]).predict(x[test]))
