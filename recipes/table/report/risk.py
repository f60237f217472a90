"""The risks of a survival target beside what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sennit.html_page import Block, Grid
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.training.survival import SurvivalDecision

Floats = NDArray[np.float64]


def risk_blocks(results: Results, name: str, target: Any) -> tuple[list[Block], dict[str, Any]]:
    """Return a table of the mean risk until each horizon, and the share that had the event by then.

    The test rows are halved by their risk. The share is that of Kaplan and Meier, which respects the rows
    that were seen for a shorter time.

    Args:
        results: Results of the run, with test rows.
        name: Name of the target.
        target: Target.
    """
    decision = results.decisions[name]
    if not isinstance(decision, SurvivalDecision) or not decision.horizons:
        return [], {}
    assert results.test is not None
    answers = results.test.answers[name]
    counted = answers.counted
    log_ratio = answers.logits[counted, 0].double().numpy()
    labels = answers.targets[counted].double().numpy()
    risks = decision.risks(log_ratio)
    lower = np.argsort(np.argsort(log_ratio, kind="stable")) < len(log_ratio) / 2
    lines, figures = [], []
    for part, rows in (("lower half", lower), ("higher half", ~lower)):
        for k, horizon in enumerate(decision.horizons):
            if not rows.any():
                continue
            seen = event_share(np.abs(labels[rows]), labels[rows] > 0, horizon)
            risk = float(risks[rows, k].mean())
            lines.append([part, f"{horizon:g}", str(int(rows.sum())), f"{risk:.3f}", f"{seen:.3f}"])
            figures.append({"part": part, "until": horizon, "risk": round(risk, 6), "seen": round(seen, 6)})
    header = ["risk", f"until ({target.time})", "test rows", "mean risk", "had the event (Kaplan-Meier)"]
    return [Grid(header, lines)], {"risks": figures}


def event_share(time: Floats, event: NDArray[np.bool_], horizon: float) -> float:
    """Return ``1 − Π_{t_i ≤ horizon} (1 − d_i / n_i)``, the share that has had the event until a time.

    Source: Kaplan and Meier 1958, "Nonparametric Estimation from Incomplete Observations".

    Args:
        time: Time of each event, or that at which the row was last seen.
        event: Whether the event happened then.
        horizon: Time.

    Shape:
        time and event ``[N]``.

    Example:
        >>> event_share(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False]), 3.0)
        0.625
    """
    times, counts = np.unique(time[event & (time <= horizon)], return_counts=True)
    at_risk = len(time) - np.searchsorted(np.sort(time), times)
    return float(1 - np.prod(1 - counts / at_risk))
