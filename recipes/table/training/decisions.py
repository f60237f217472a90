"""From probabilities to answers: a temperature and thresholds, chosen on validation rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sennit.files import write_json
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import SurvivalTarget
from sennit.recipes.table.training.decision import Decision
from sennit.recipes.table.training.survival import SurvivalDecision, fit_survival
from sennit.recipes.table.training.temperature import fit_temperature, tempered
from sennit.recipes.table.training.threshold import choose_threshold
from sennit.tasks import Evaluation, MultiTaskModel

Floats = NDArray[np.float64]
_KINDS = ("class", "ordinal", "multilabel")


@dataclass(frozen=True)
class Decisions:
    """The decision of each target of classes, labels or times until an event.

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
    def fit(
        cls,
        schema: Schema,
        model: MultiTaskModel,
        validation: Evaluation | None,
        train: Evaluation | None = None,
    ) -> Self:
        """Choose temperature and thresholds on the validation rows.

        Args:
            schema: Complete schema.
            model: Trained model.
            validation: Its answers for the validation rows; None without any.
            train: Its answers for the training rows, for the baseline hazard of survival targets.
        """
        targets: dict[str, Decision] = {}
        for name, target in schema.targets.items():
            if isinstance(target, SurvivalTarget) and train is not None and name in train.answers:
                held = None if validation is None else validation.answers.get(name)
                targets[name] = fit_survival(train.answers[name], held, target.horizons or [])
            if target.kind not in _KINDS or validation is None or name not in validation.answers:
                continue
            answers = validation.answers[name]
            p = model.tasks[name].scores(answers.logits).double().numpy()
            true, counted = answers.targets.numpy(), answers.counted.numpy()
            targets[name] = _decision(p, true, counted, target.monitored, kind=target.kind)
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
            return cls({name: _read(options) for name, options in raw.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"'{path}' should hold a temperature and thresholds for each target. Found something else. "
                f"Restore the file, or train the model again."
            ) from None


def _read(options: Mapping[str, Any]) -> Decision:
    """Return the decision that `Decisions.write` wrote."""
    temperature, reason = float(options["temperature"]), str(options["reason"])
    if "times" in options:
        curve: dict[str, Any] = {
            name: tuple(map(float, options[name])) for name in ("times", "hazards", "horizons")
        }
        return SurvivalDecision(temperature, reason=reason, **curve)
    thresholds = tuple(map(float, options["thresholds"]))
    return Decision(temperature, thresholds, reason, bool(options.get("ordered", False)))


def _decision(p: Floats, true: NDArray[Any], counted: NDArray[Any], metric: str, *, kind: str) -> Decision:
    """Return the decision for probabilities ``[N, C]`` of labelled rows."""
    if kind != "multilabel":
        p, true = p[counted], true[counted]
        temperature, origin = fit_temperature(p, true)
        if kind == "ordinal":
            return Decision(temperature, (), f"{origin}; the median class", ordered=True)
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
