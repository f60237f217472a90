"""The answers of the model for test rows as a user gets them: calibrated, and by the chosen thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sennit.recipes.table.report.results import Results
from sennit.tasks import Classification
from sennit.tasks.metrics import Answers

Floats = NDArray[np.float64]


def probabilities(results: Results, name: str, *, calibrated: bool) -> Floats:
    """Return the probability of each class or label of a target for the test rows ``[N, C]``.

    Args:
        results: Results of the run, with test rows.
        name: Target of classes or labels.
        calibrated: Whether the temperature chosen on validation rows is applied.
    """
    raw = results.model.tasks[name].scores(_answers(results, name).logits).double().numpy()
    if not calibrated:
        return np.asarray(raw)
    labels = results.schema.targets[name].kind == "multilabel"
    return results.decisions[name].probabilities(raw, labels=labels)


def choices(results: Results, name: str) -> NDArray[Any]:
    """Return the class of each test row ``[N]``, or which labels are true ``[N, L]``."""
    task: Any = results.model.tasks[name]
    if name not in results.decisions.targets and isinstance(task, Classification):
        answers = task.predict(_answers(results, name).logits)
        return np.array([task.classes.index(answer["label"]) for answer in answers])
    p = probabilities(results, name, calibrated=True)
    labels = results.schema.targets[name].kind == "multilabel"
    return results.decisions[name].choose(p, labels=labels)


def truth(results: Results, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the targets of the test rows, and which of their entries count."""
    answers = _answers(results, name)
    return answers.targets.numpy(), answers.counted.numpy()


def _answers(results: Results, name: str) -> Answers:
    assert results.test is not None
    return results.test.answers[name]
