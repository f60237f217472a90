"""The figure of each assay, and one figure over the assays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset
from sennit.recipes.harness import batches
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.data import TASK
from sennit.tasks import MultiTaskModel, evaluate
from sennit.tasks.metrics import r2, roc_auc

_BATCH = 512


def predicted(model: MultiTaskModel, batch: Batch) -> Tensor:
    """Return the probability that a molecule is active in each assay, or its number.

    Shape:
        ``[N, T]`` for N molecules and T assays.
    """
    answers = evaluate(model, batches(model, BatchDataset(batch), _BATCH)).answers
    return torch.cat([answers[name].scores for name in model.tasks], 1)


def figures(config: Config, assays: Sequence[str], scores: Tensor, batch: Batch) -> dict[str, float]:
    """Return by assay the area under the ROC curve or R², over the molecules with a label.

    Assays without a figure are left out: all molecules of one class, or fewer than two numbers.

    Args:
        config: Options.
        assays: Names of the assays.
        scores: Scores ``[N, T]`` of the molecules in each assay.
        batch: The molecules, with their labels.
    """
    figure = roc_auc if config.assays == "classes" else r2
    target, labelled = batch.targets[TASK].double(), batch.labelled[TASK]
    results = {}
    for name, score, true, rows in zip(assays, scores.double().T, target.T, labelled.T, strict=True):
        value = figure(score[rows], true[rows])
        if value is not None:
            results[name] = value
    return results


def overall(config: Config, by_assay: Mapping[str, float]) -> float:
    """Return the mean of the areas, or the median of R²; NaN where no assay has a figure.

    R² has no lower bound: a few assays with a handful of molecules would dominate a mean.

    Args:
        config: Options.
        by_assay: Figure of each assay.
    """
    centre = np.mean if config.assays == "classes" else np.median
    return float(centre(list(by_assay.values()))) if by_assay else float("nan")
