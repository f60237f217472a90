"""The trainings of `multitask_accuracy`, each by the module of its data set.

An outcome has, for ``"validation"`` and ``"test"``, the ``score`` and ``by_task``, the figures behind Δm; and
``step_ms`` and ``steps``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torchmetrics import MeanSquaredError, Metric
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy

from benchmarks._multitask_plan import Case
from benchmarks._screen import Outcome
from benchmarks._small_avdigits import QUICK, SETTINGS


@dataclass(frozen=True)
class DataSet:
    """A recipe in a fixed, reduced configuration.

    Attributes:
        metric: Name of the score.
        gained: Metric of each task, from which Δm is computed.
        settings: Changes to the recipe's config.
        quick: Further changes for ``--quick``.
    """

    metric: str
    gained: Metric
    settings: Mapping[str, Any]
    quick: Mapping[str, Any]


DATA: dict[str, DataSet] = {
    "avdigits": DataSet("accuracy", MulticlassAccuracy(10), SETTINGS, QUICK),
    "school": DataSet(
        "explained variance",
        MeanSquaredError(),
        {
            "sampling": "pooled",
            "batch_size": 128,
            "epochs": 6,
            "width": 16,
            "dropout": 0.2,
            "lr": 3e-3,
            "weight_decay": 0.1,
            "head_rates": [3.0],
        },
        {"epochs": 1, "batch_size": 512},
    ),
    "tox21": DataSet(
        "ROC-AUC",
        BinaryAUROC(),
        {"tasks": "separate", "epochs": 8, "width": 256, "lr": 2e-3},
        {"epochs": 1, "batch_size": 512},
    ),
}


def train(folder: Path, job: Mapping[str, Any]) -> Outcome:
    """Train one job, in a worker; methods that refuse each other or the data give the reason."""
    module = import_module(f"benchmarks._multitask_{job['data']}")
    case = Case(job["data"], job["sharing"], job["weighting"], job["balancing"])
    try:
        outcome: Outcome = module.train(case, folder, job["settings"], job["seed"])
    except (TypeError, ValueError) as error:
        return {"refused": str(error)}
    return outcome


def describe(job: Mapping[str, Any]) -> str:
    """Return a few words for the progress bar."""
    case = Case(job["data"], job["sharing"], job["weighting"], job["balancing"])
    return f"{case.data}: {case.label}, seed {job['seed'] + 1}"
