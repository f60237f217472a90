"""From probabilities to answers: a temperature and thresholds, chosen on validation rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sennit.files import write_json
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.temperature import fit_temperature, tempered
from sennit.recipes.table.training.threshold import choose_threshold
from sennit.tasks import Evaluation, MultiTaskModel

Floats = NDArray[np.float64]
_KINDS = ("class", "multilabel")


@dataclass(frozen=True)
class Decision:
    """How the answer of one target follows from its probabilities.

    Args:
        temperature: Temperature of the probabilities; 1 leaves them as they are.
        thresholds: Probability from which the second of two classes, or each label, is the answer.
        reason: Phrase that says where they come from, for the report.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    reason: str = "as trained"

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


@dataclass(frozen=True)
class Decisions:
    """The decision of each target of classes or labels.

    Args:
        targets: Decisions by target; the others' answers are those of the model.

    Example:
        >>> Decisions()["kind"].temperature
        1.0
    """

    targets: Mapping[str, Decision] = field(default_factory=dict)

    def __getitem__(self, target: str) -> Decision:
        return self.targets.get(target, Decision())

    @classmethod
    def fit(cls, schema: Schema, model: MultiTaskModel, validation: Evaluation | None) -> Self:
        """Choose temperature and thresholds on the validation rows.

        Args:
            schema: Complete schema.
            model: Trained model.
            validation: Its answers for the validation rows; None without any.
        """
        targets: dict[str, Decision] = {}
        for name, target in schema.targets.items():
            if target.kind not in _KINDS or validation is None or name not in validation.answers:
                continue
            answers = validation.answers[name]
            p = model.tasks[name].scores(answers.logits).double().numpy()
            true, counted = answers.targets.numpy(), answers.counted.numpy()
            targets[name] = _decision(p, true, counted, target.monitored, labels=target.kind != "class")
        return cls(targets)

    def notes(self) -> list[str]:
        """Return a sentence for each target with a decision."""
        return [f"Answers for {name}: {decision.reason}." for name, decision in self.targets.items()]

    def write(self, path: str | Path) -> None:
        """Write a JSON file."""
        write_json(Path(path), {name: asdict(decision) for name, decision in self.targets.items()})

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a JSON file; a model without one answers as it was trained.

        Raises:
            ValueError: The file is damaged.
        """
        if not Path(path).is_file():
            return cls()
        try:
            raw: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(
                {
                    name: Decision(
                        float(d["temperature"]), tuple(map(float, d["thresholds"])), str(d["reason"])
                    )
                    for name, d in raw.items()
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"'{path}' should hold a temperature and thresholds for each target. Found something else. "
                f"Restore the file, or train the model again."
            ) from None


def _decision(p: Floats, true: NDArray[Any], counted: NDArray[Any], metric: str, *, labels: bool) -> Decision:
    """Return the decision for probabilities ``[N, C]`` of labelled rows."""
    if not labels:
        p, true = p[counted], true[counted]
        temperature, origin = fit_temperature(p, true)
        if p.shape[1] != 2:
            return Decision(temperature, (), origin)
        threshold, why = choose_threshold(tempered(p, temperature, labels=False)[:, 1], true == 1, metric)
        return Decision(temperature, (threshold,), f"{origin}; {why}")
    seen = counted.any(1)
    labelled = [(p[counted[:, k], k], true[counted[:, k], k] > 0.5) for k in range(p.shape[1])]
    flat, truth = np.concatenate([q for q, _ in labelled]), np.concatenate([y for _, y in labelled])
    temperature, origin = fit_temperature(np.stack([1 - flat, flat], 1), truth.astype(np.int64))
    chosen = [
        choose_threshold(tempered(q[:, None], temperature, labels=True)[:, 0], y, metric)[0]
        for q, y in labelled
    ]
    moved = sum(threshold != 0.5 for threshold in chosen)
    why = f"{moved} of {len(chosen)} thresholds moved from .5, on {int(seen.sum())} validation rows"
    return Decision(temperature, tuple(chosen), f"{origin}; {why}")
