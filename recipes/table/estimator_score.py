"""The score of answers for one target: larger is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, r2_score

from sennit.recipes.table.reading.rows import BadCell
from sennit.recipes.table.schema.targets import SurvivalTarget, Target


def score_of(target: Target, labels: Sequence[Any], answers: Sequence[Mapping[str, Any]]) -> float:
    """Return the score of the rows that have a label.

    Args:
        target: Target of the schema.
        labels: Labels as the target reads them; None where blank. A class that was not trained on is wrong.
        answers: Answers of the rows.

    Returns:
        Accuracy of classes and labels, or the F1 or the balanced accuracy where that is the target's metric;
        R² of numbers, its mean over several; concordance of times until an event.

    Raises:
        ValueError: No row has a label.
        BadCell: A label of a target of numbers or labels cannot be used.

    Example:
        >>> from sennit.recipes.table.schema.targets import NumberTarget
        >>> answers = [{"value": [x]} for x in (1, 9, 3)]
        >>> score_of(NumberTarget(columns=["price"]), [[1.0], None, [3.0]], answers)
        1.0
    """
    pairs = [(label, answer) for label, answer in zip(labels, answers, strict=True) if label is not None]
    if not pairs:
        raise ValueError(f"a score needs rows with a label in {target.column_names}. Found blanks only.")
    if "label" in pairs[0][1]:
        true = [-1 if isinstance(label, BadCell) else label for label, _ in pairs]
        names = list(pairs[0][1]["probabilities"])
        return _of_classes(true, [names.index(answer["label"]) for _, answer in pairs], target.monitored)
    for label, _ in pairs:
        if isinstance(label, BadCell):
            raise label
    truth = np.array([label for label, _ in pairs], dtype=np.float64)
    if isinstance(target, SurvivalTarget):
        risk = torch.tensor([answer["value"][0] for _, answer in pairs])
        return target.make_task().score(risk[:, None], torch.from_numpy(truth), torch.ones(len(risk)).bool())
    if "labels" in pairs[0][1]:
        names = list(pairs[0][1]["probabilities"])
        chosen = np.array([[name in answer["labels"] for name in names] for _, answer in pairs])
        seen = ~np.isnan(truth)
        return float((chosen == (truth > 0.5))[seen].mean())
    values = np.array([np.atleast_1d(answer["value"]) for _, answer in pairs], dtype=np.float64)
    truth = truth.reshape(len(values), -1)
    scores = []
    for k in range(truth.shape[1]):
        seen = ~np.isnan(truth[:, k])
        scores.append(float(r2_score(truth[seen, k], values[seen, k])))
    return float(np.mean(scores))


def _of_classes(true: Sequence[int], chosen: Sequence[int], metric: str) -> float:
    if metric == "f1_macro":
        return float(f1_score(true, chosen, average="macro"))
    if metric == "balanced_accuracy":
        return float(balanced_accuracy_score(true, chosen))
    return float(accuracy_score(true, chosen))
