"""Targets of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from sennit.recipes.table.reading.row_value import row_value
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.target_base import Target
from sennit.registry import check_names
from sennit.tasks import PoissonRegression, QuantileRegression, Regression, Task
from sennit.tasks.labelled import NUMBER_METRICS, NumberTransform

_LOSSES = ("squared", "absolute", "huber", "quantile", "poisson")
_TRANSFORMS = ("log", "quantile")


@dataclass(frozen=True, kw_only=True)
class NumberTarget(Target):
    """One or several numbers; a blank cell is unknown.

    Args:
        columns: Columns of the numbers.
        loss: ``"squared"``, ``"absolute"``, ``"huber"`` (linear beyond one standard deviation),
            ``"quantile"`` (for intervals in the answers) or ``"poisson"`` (for counts).
        quantiles: Levels of the loss ``"quantile"``; the answer is the middle one.
        transform: ``"log"`` or ``"quantile"`` (to a normal distribution), in whose values the loss is taken;
            answers and metrics are in the table's units.
        fitted: Numbers of the transforms, or scales of the counts, of each column; taken from the training
            rows.
        metric: Name of a metric, or of several: ``"r2"``, ``"mae"``, ``"rmse"`` and, with quantiles,
            ``"pinball"``. The best epoch is chosen by the first.
    """

    kind: ClassVar[str] = "number"
    metrics: ClassVar[tuple[str, ...]] = (*NUMBER_METRICS, "pinball")
    fewest: ClassVar[int] = 2
    columns: list[str]
    loss: str = "squared"
    quantiles: list[float] = field(default_factory=list)
    transform: str | None = None
    fitted: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names("loss", [self.loss], _LOSSES)
        if self.transform is not None:
            check_names("transform", [self.transform], _TRANSFORMS)
        if self.loss == "poisson" and self.transform is not None:
            raise ValueError("`loss: poisson` takes the logarithm itself. Leave `transform` out.")
        if (self.loss == "quantile") != bool(self.quantiles):
            raise ValueError(
                f"`quantiles`, such as [.1, .5, .9], belong to `loss: quantile`. Found {self.quantiles} and "
                f"`loss: {self.loss}`."
            )
        if self.loss != "quantile" and "pinball" in self._chosen:
            raise ValueError("`metric: pinball` needs `loss: quantile`.")
        if len(self.fitted) not in (0, len(self.columns)):
            raise ValueError(f"`fitted` should have an entry for each column. Found {len(self.fitted)}.")

    @property
    def reported(self) -> tuple[str, ...]:  # type: ignore[override]
        """Metrics that are always reported."""
        return ("r2", "mae", *(["pinball"] if self.loss == "quantile" else []))

    @property
    def column_names(self) -> list[str]:
        return self.columns

    @property
    def scaled(self) -> bool:
        return not self._fits

    @property
    def _fits(self) -> bool:
        """Whether the task knows the units itself."""
        return self.transform is not None or self.loss in ("quantile", "poisson")

    def read(self, rows: Rows) -> Sequence[Any]:
        key = ("number target", *self.columns, self.loss, self.transform)
        return rows.once(key, lambda: self._read(rows))

    def _read(self, rows: Rows) -> list[list[float] | BadCell | None]:
        columns = [self._checked(rows, c) for c in self.columns]
        if len(columns) == 1:
            return [x if x is None or isinstance(x, BadCell) else [x] for x in columns[0]]
        return [numbers_or_nan(cells) for cells in zip(*columns, strict=True)]

    def _checked(self, rows: Rows, column: str) -> list[float | BadCell | None]:
        """Return the numbers of a column; a negative one is at fault where there should be none."""
        numbers = rows.numbers(column)
        needing = "transform: log" if self.transform == "log" else f"loss: {self.loss}"
        if needing not in ("transform: log", "loss: poisson"):
            return numbers
        fix = f"`{needing}` needs numbers of 0 or more: use another."
        return [
            rows.fault(i, column, f"should be 0 or more. Found {x:g}. {fix}")
            if isinstance(x, float) and x < 0
            else x
            for i, x in enumerate(numbers)
        ]

    def complete(self, rows: Rows) -> Self:
        if not self._fits or self.fitted:
            return self
        return replace(self, fitted=[self._fit(rows, column) for column in self.columns])

    def _fit(self, rows: Rows, column: str) -> dict[str, Any]:
        labels = [x for x in self._checked(rows, column) if isinstance(x, float)]
        if not labels:
            raise ValueError(f"column '{column}' should hold numbers in the training rows. Found none.")
        if self.loss == "poisson":
            return {"name": "scale", "scale": float(np.mean(labels)) or 1.0}
        return NumberTransform.fit(self.transform or "standard", labels).config

    def make_task(self) -> Task:
        size, names = len(self.columns), self.metric_names
        if self.loss == "poisson":
            scales = [float(entry["scale"]) for entry in self.fitted] or None
            return PoissonRegression(size, scales=scales, metrics=names)
        transforms = self.fitted or None
        if self.loss == "quantile":
            return QuantileRegression(size, quantiles=self.quantiles, metrics=names, transforms=transforms)
        return Regression(size, objective=self.loss, metrics=names, transforms=transforms)


def numbers_or_nan(cells: Sequence[float | BadCell | None]) -> list[float] | BadCell | None:
    """Return the numbers of a row, NaN where blank; None if all are."""
    values = row_value(cells)
    if values is None or isinstance(values, BadCell):
        return values
    return [math.nan if value is None else value for value in values]
