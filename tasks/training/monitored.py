"""The value of the validation that chooses the weights, and its direction."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sennit.registry import unknown_name
from sennit.tasks.metrics.direction import directions
from sennit.tasks.metrics.evaluation import Evaluation
from sennit.tasks.model.model import MultiTaskModel


def values_to_monitor(model: MultiTaskModel, validation: Any) -> dict[str, str | None]:
    """Return the ``mode`` of each value that the validation gives: metrics, losses and their mean."""
    modes: dict[str, str | None] = {"loss": "min", "mean": "max"}
    for task in model.answering:
        if model.tasks[task].target is not None:
            of_task = {**directions(model.tasks[task].metrics()), "loss": "min"}
            modes |= {f"{task}/{name}": mode for name, mode in of_task.items()}
    prefixes = [f"val/{name}" for name in validation] if isinstance(validation, Mapping) else ["val"]
    return {f"{prefix}/{name}": mode for prefix in prefixes for name, mode in modes.items()}


def check_monitor(
    model: MultiTaskModel,
    validation: Any,
    *,
    monitor: str | None,
    mode: str | None,
    patience: int | None,
    steps: int | None,
) -> str:
    """Return the direction of the value that chooses the weights.

    Raises:
        ValueError: The validation does not give the value, its best is at the other end than ``mode`` says,
            or there is nothing to choose among.
    """
    if mode not in ("max", "min", None):
        raise ValueError(f"`mode` should be 'max' or 'min'. Found '{mode}'.")
    if monitor is None:
        if patience is not None:
            raise ValueError("`patience` needs `monitor`: the value that should get better. Found none.")
        return "max"
    if not validation:
        raise ValueError(f"`monitor` needs `validation` data. Found none for '{monitor}'.")
    if steps is not None:
        raise ValueError(
            f"`monitor` chooses among epochs, and `steps` may end within one. Found '{monitor}' and "
            f"steps={steps}. Pass `epochs`."
        )
    modes = values_to_monitor(model, validation)
    if monitor not in modes:
        raise unknown_name("value to monitor", monitor, modes)
    direction = modes[monitor] or mode
    if direction is None:
        raise ValueError(f"`mode` should say at which end '{monitor}' is best, as its metric does not.")
    if mode not in (direction, None):
        raise ValueError(f"`mode` of '{monitor}' should be '{direction}'. Found '{mode}'. Leave it out.")
    return direction


def logged_values(
    prefix: str, evaluation: Evaluation, leading: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    """Yield the values of an evaluation by the names under which they are logged.

    Args:
        prefix: Stage, and name of the loader where there are several.
        evaluation: Evaluation.
        leading: Metric of each task that stands for it in the mean.
    """
    for task, metrics in evaluation.metrics.items():
        yield from ((f"{prefix}/{task}/{name}", value) for name, value in metrics.items())
    for task, loss in evaluation.losses.items():
        yield f"{prefix}/{task}/loss", loss
    if evaluation.losses:
        yield f"{prefix}/loss", sum(evaluation.losses.values())
    figures = [values[leading[task]] for task, values in evaluation.metrics.items() if task in leading]
    numbers = [figure for figure in figures if not math.isnan(figure)]
    if figures:
        yield f"{prefix}/mean", sum(numbers) / len(numbers) if numbers else math.nan


def warn_of_no_number(names: Sequence[str]) -> None:
    """Warn of values that are no number, such as the R² of a single sample."""
    warnings.warn(
        f"a validation should give a number for each metric. Found none for {', '.join(names)}: an R² "
        f"needs two labels that differ, an area under a curve those of two classes. Means leave them out.",
        stacklevel=2,
    )
