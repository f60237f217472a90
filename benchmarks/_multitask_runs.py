"""The trainings of `multitask_accuracy`: one small file each, so that none is run twice."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torchmetrics import MeanSquaredError, Metric
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy

from benchmarks._multitask_plan import Case
from encoders import ResumableLoader
from encoders._files import write_json
from recipes.harness import Cells, quiet_trainer, run_cells
from tasks import Learner

Outcome = dict[str, Any]
"""By ``"validation"`` and ``"test"`` the ``score`` and, ``by_task``, what Δm is made of; ``step_ms`` and
``steps``; or ``refused``, why the methods do not work on the data set."""


@dataclass(frozen=True)
class DataSet:
    """A recipe in a fixed, reduced configuration.

    Attributes:
        metric: What a score is.
        gained: The metric of each task, of which Δm is made.
        settings: Changes to the recipe's config.
        quick: Further ones for ``--quick``.
    """

    metric: str
    gained: Metric
    settings: Mapping[str, Any]
    quick: Mapping[str, Any]


DATA: dict[str, DataSet] = {
    "avdigits": DataSet(
        "accuracy",
        MulticlassAccuracy(10),
        {"pairs": 6000, "test_pairs": 2000, "epochs": 6, "batch_size": 32, "width": 64},
        {"pairs": 320, "test_pairs": 100, "epochs": 1},
    ),
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


class Trainings(Cells):
    """A folder with a JSON file for each finished training, named after its methods and its seed.

    A file of the same methods under other settings is not taken, and written over.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path

    def get(self, cell: Mapping[str, Any]) -> Any | None:
        path = self._file(cell)
        if not path.is_file():
            return None
        kept = json.loads(path.read_text())
        return kept["result"] if kept["cell"] == json.loads(json.dumps(cell)) else None

    def store(self, cell: Mapping[str, Any], result: Any) -> None:
        write_json(self._file(cell), {"cell": cell, "result": result})

    def _file(self, cell: Mapping[str, Any]) -> Path:
        words = (cell["data"], cell["sharing"], cell["weighting"], cell["balancing"] or "", cell["seed"])
        return self.path / (re.sub(r"[^\w-]+", "_", "-".join(map(str, words))) + ".json")


def take_steps(learner: Learner, loader: ResumableLoader, *, epochs: int) -> float:
    """Train quietly; the milliseconds that a step took."""
    steps = epochs * len(loader)
    start = time.perf_counter()
    quiet_trainer(steps=steps).fit(learner, loader)
    return 1e3 * (time.perf_counter() - start) / steps


def train(folder: Path, cell: Mapping[str, Any]) -> Outcome:
    """Train one cell, in a worker; methods that refuse each other or the data give the reason."""
    module = import_module(f"benchmarks._multitask_{cell['data']}")
    case = Case(cell["data"], cell["sharing"], cell["weighting"], cell["balancing"])
    try:
        found: Outcome = module.train(case, folder, cell["settings"], cell["seed"])
    except (TypeError, ValueError) as error:
        return {"refused": str(error)}
    return found


def describe(cell: Mapping[str, Any]) -> str:
    """For the progress bar."""
    case = Case(cell["data"], cell["sharing"], cell["weighting"], cell["balancing"])
    return f"{case.data}: {case.label}, seed {cell['seed'] + 1}"


def run(
    work: Callable[[Mapping[str, Any]], Outcome],
    wanted: Sequence[tuple[Case, Mapping[str, Any], int]],
    done: Trainings,
    *,
    workers: int,
) -> dict[tuple[Case, int], Outcome]:
    """Run what is not in the folder yet; all outcomes by case and seed.

    Args:
        work: From a cell to its outcome; importable by name.
        wanted: Cases with the settings of their data set and a seed.
        done: The folder.
        workers: Processes of one thread each; 0 runs in this one.
    """
    cells = [case.cell(settings, seed) for case, settings, seed in wanted]
    found = run_cells(work, cells, done, workers=workers, describe=describe)
    return {(case, seed): outcome for (case, _, seed), outcome in zip(wanted, found, strict=True)}
