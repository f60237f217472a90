"""From the hazard ratio of a row to its risks and its median time: the baseline hazard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from sennit.recipes.table.training.decision import Decision
from sennit.recipes.table.training.temperature import FEWEST, RANGE
from sennit.tasks import Survival
from sennit.tasks.metrics import Answers

Floats = NDArray[np.float64]
_MOST = 500  # steps of the curve that are kept
_HIGHEST = 700.0  # of a logarithm of a double


@dataclass(frozen=True)
class SurvivalDecision(Decision):
    """Risks and median times by Cox's model, with the baseline hazard of the training rows.

    The risk until a time is ``1 − exp(−H₀(t) e^{η/T})``, with the answer η of the model and the temperature
    T that validation rows choose; the median time is the first with a risk of one half or more.

    Source: Breslow 1972, in the discussion of Cox, "Regression Models and Life-Tables".

    Args:
        times: Times of events in the training rows, increasing.
        hazards: Baseline hazard H₀ that has been accumulated until each time.
        horizons: Times until which risks are answered.

    Units:
        times and horizons in the unit of the table's times.

    Example:
        >>> decision = SurvivalDecision(times=(1.0, 2.0), hazards=(0.1, 1.0), horizons=(1.5,))
        >>> answer = decision.answer({"value": [0.0]})
        >>> answer["median"], {time: round(risk, 6) for time, risk in answer["risk"].items()}
        (2.0, {'1.5': 0.095163})
    """

    times: tuple[float, ...] = ()
    hazards: tuple[float, ...] = ()
    horizons: tuple[float, ...] = ()

    def answers(self, values: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the answers with the risk until each horizon, and the median time; None if it is later."""
        if not values:
            return values
        log_ratio = np.array([answer["value"][0] for answer in values])
        risks, medians = self.risks(log_ratio), self.medians(log_ratio)
        names = [f"{horizon:g}" for horizon in self.horizons]
        return [
            {
                **answer,
                "median": None if np.isinf(median) else float(median),
                "risk": dict(zip(names, of_row, strict=True)),
            }
            for answer, median, of_row in zip(values, medians, risks.tolist(), strict=True)
        ]

    def risks(self, log_ratio: Floats) -> Floats:
        """Return the probability of the event until each horizon.

        Shape:
            log_ratio ``[N]``, result ``[N, horizons]``.
        """
        steps = np.searchsorted(self.times, self.horizons, side="right")
        baseline = np.concatenate([[0.0], self.hazards])[steps]
        return np.asarray(-np.expm1(-baseline * self._ratio(log_ratio)[:, None]))

    def medians(self, log_ratio: Floats) -> Floats:
        """Return the time at which half of such rows have had the event; infinite if that is later.

        Shape:
            log_ratio ``[N]``, result ``[N]``.
        """
        steps = np.searchsorted(self.hazards, np.log(2) / self._ratio(log_ratio))
        return np.asarray(np.append(self.times, np.inf)[steps])

    def _ratio(self, log_ratio: Floats) -> Floats:
        return np.asarray(np.exp(np.clip(log_ratio / self.temperature, -_HIGHEST, _HIGHEST)))


def fit_survival(train: Answers, validation: Answers | None, horizons: Sequence[float]) -> SurvivalDecision:
    """Return the decision of a target by the model's answers for training and validation rows.

    Args:
        train: Answers for the training rows, which give the baseline hazard.
        validation: Answers for the validation rows, whose partial likelihood gives the temperature.
        horizons: Times until which risks are answered.
    """
    temperature, origin = (1.0, "temperature 1") if validation is None else _temperature(validation)
    log_ratio, time, event = _labelled(train)
    times, hazards = baseline_hazard(log_ratio / temperature, time, event)
    if len(times) > _MOST:
        kept = np.unique(np.linspace(0, len(times) - 1, _MOST).round().astype(int))
        times, hazards = times[kept], hazards[kept]
    reason = f"{origin}; risks by the baseline hazard of {len(time)} training rows, {int(event.sum())} events"
    return SurvivalDecision(
        temperature, reason=reason, times=(*times.tolist(),), hazards=(*hazards.tolist(),),
        horizons=(*horizons,),
    )  # fmt: skip


def baseline_hazard(log_ratio: Floats, time: Floats, event: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the times of events, and ``H₀(t) = Σ_{t_i ≤ t} d_i / Σ_{j: t_j ≥ t_i} e^{η_j}`` at each.

    Args:
        log_ratio: Logarithm η of the hazard ratio of each row.
        time: Time of its event, or that at which it was last seen.
        event: Whether the event happened.

    Shape:
        ``[N]`` each; results ``[times]``.

    Example:
        >>> baseline_hazard(np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))[1]
        array([0.33333333, 1.33333333])
    """
    times, counts = np.unique(time[event], return_counts=True)
    order = np.argsort(time)
    ratio = np.exp(np.clip(log_ratio[order], -_HIGHEST, _HIGHEST))
    at_risk = ratio[::-1].cumsum()[::-1][np.searchsorted(time[order], times)]
    return times, (counts / at_risk).cumsum()


def _labelled(answers: Answers) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    counted = answers.counted
    target = answers.targets[counted].double().numpy()
    return answers.logits[counted, 0].double().numpy(), np.abs(target), target > 0


def _temperature(validation: Answers) -> tuple[float, str]:
    """Return the temperature with the least partial likelihood of the validation rows, and its origin."""
    log_ratio, time, event = _labelled(validation)
    events = int(event.sum())
    if events < FEWEST:
        return 1.0, f"temperature 1, as {events} events of validation rows are too few to choose it"
    task, target = Survival(), torch.from_numpy(np.where(event, time, -time))

    def cost(log_temperature: float) -> float:
        output = torch.from_numpy(log_ratio / np.exp(log_temperature)).unsqueeze(1)
        return float(task.loss(output, target).double().mean())

    least = minimize_scalar(cost, bounds=RANGE, method="bounded")
    temperature = float(np.exp(least.x)) if least.fun < cost(0.0) else 1.0
    return temperature, f"temperature {temperature:.3g} by {events} events of validation rows"
