"""The decision of one target: how its answer follows from its probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sennit.recipes.table.training.temperature import tempered

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """How the answer of one target follows from its probabilities.

    Args:
        temperature: Temperature of the probabilities; 1 leaves them as they are.
        thresholds: Probability from which the second of two classes, or each label, is the answer.
        reason: Phrase that says where they come from, for the report.
        ordered: Whether the classes have an order: the answer is the median class.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    reason: str = "as trained"
    ordered: bool = False

    def probabilities(self, p: Floats, *, labels: bool) -> Floats:
        """Return calibrated probabilities.

        Args:
            p: Probabilities as the model gives them.
            labels: Whether they are of labels, each true or not, rather than of classes.

        Shape:
            ``[N, C]`` and the same.
        """
        return tempered(p, self.temperature, labels=labels)

    def choose(self, p: Floats, *, labels: bool) -> NDArray[np.int64]:
        """Return the class of each row, or which labels are true.

        Args:
            p: Calibrated probabilities.
            labels: Whether they are of labels rather than of classes.

        Shape:
            p ``[N, C]``; result ``[N]`` for classes, ``[N, L]`` of 0 and 1 for labels.
        """
        if labels:
            return (p > np.array(self.thresholds or 0.5)).astype(np.int64)
        if self.ordered:
            return np.asarray(np.minimum((p.cumsum(1) < 0.5).sum(1), p.shape[1] - 1))
        if self.thresholds:
            return (p[:, 1] > self.thresholds[0]).astype(np.int64)
        return np.asarray(p.argmax(1))

    def answer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a task's answer for one row with calibrated probabilities and the choice by them.

        Args:
            values: Answer of ``model.predict``; returned as it is where nothing was decided for it.

        Example:
            >>> answer = {"label": "no", "probabilities": {"no": 0.6, "yes": 0.4}}
            >>> Decision(thresholds=(0.3,)).answer(answer)["label"]
            'yes'
        """
        return self.answers([values])[0]

    def answers(self, values: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return a task's answers for rows; see `answer`."""
        undecided = self.temperature == 1 and not self.thresholds
        if undecided or not values or "probabilities" not in values[0]:
            return values
        names, labels = list(values[0]["probabilities"]), "labels" in values[0]
        p = np.array([list(answer["probabilities"].values()) for answer in values])
        p = self.probabilities(p, labels=labels)
        chosen = self.choose(p, labels=labels).tolist()
        return [
            {
                **answer,
                **(
                    {"labels": [name for name, true in zip(names, choice, strict=True) if true]}
                    if labels
                    else {"label": names[choice]}
                ),
                "probabilities": dict(zip(names, of_row, strict=True)),
            }
            for answer, choice, of_row in zip(values, chosen, p.tolist(), strict=True)
        ]
