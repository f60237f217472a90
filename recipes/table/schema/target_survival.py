"""Targets of the time until an event, which may not have happened yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.target_base import Target
from sennit.tasks import Survival, Task
from sennit.tasks.labelled import SURVIVAL_METRICS

_EVENT = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_FIRST = 1e-9  # in the place of a time of 0; only the order counts


@dataclass(frozen=True, kw_only=True)
class SurvivalTarget(Target):
    """The time until an event, such as a death or a failure, or that at which a row was last seen without it.

    The answers are the logarithm of the hazard ratio (the higher, the sooner), the median time, and the risk
    of the event until each horizon. Risk sets are those of a batch.

    Args:
        time: Column of the times, of 0 or more.
        event: Column that says whether the event happened then: 1, true or yes; 0, false or no where the row
            was seen no longer.
        horizons: Times until which the risk is answered; null takes the quartiles of the times of the
            events in the training rows.
        metric: ``"concordance"``.
    """

    kind: ClassVar[str] = "survival"
    metrics: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    reported: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    fewest: ClassVar[int] = 2
    time: str
    event: str
    horizons: list[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.horizons is not None and min(self.horizons, default=1.0) <= 0:
            raise ValueError(f"`horizons` should be times above 0. Found {self.horizons}.")

    @property
    def column_names(self) -> list[str]:
        return [self.time, self.event]

    def read(self, rows: Rows) -> Sequence[Any]:
        times, events = rows.numbers(self.time), rows.names_of(self.event)
        return [self._label(rows, i, *pair) for i, pair in enumerate(zip(times, events, strict=True))]

    def _label(
        self, rows: Rows, i: int, time: float | BadCell | None, event: str | None
    ) -> float | BadCell | None:
        """Return the time, negative where the event did not happen."""
        if isinstance(time, BadCell) or time is None or event is None:
            return time if isinstance(time, BadCell) else None
        happened = _EVENT.get(event.lower())
        if happened is None:
            return rows.fault(i, self.event, f"should be 1 or 0, yes or no. Found '{event}'.")
        if time < 0:
            return rows.fault(i, self.time, f"should be a time of 0 or more. Found {time:g}.")
        return max(time, _FIRST) if happened else -max(time, _FIRST)

    def complete(self, rows: Rows) -> Self:
        if self.horizons is not None:
            return self
        times = [t for t in self.read(rows) if isinstance(t, float) and t > 0]
        quartiles = np.quantile(times, [0.25, 0.5, 0.75]).tolist() if times else []
        return replace(self, horizons=list(dict.fromkeys(float(f"{t:.3g}") for t in quartiles)))

    def make_task(self) -> Task:
        return Survival(metrics=self.metric_names)
