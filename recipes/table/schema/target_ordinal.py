"""Targets of classes that have an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.data.names import Names
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.target_base import Target
from sennit.tasks import Ordinal, Task
from sennit.tasks.labelled import ORDINAL_METRICS


@dataclass(frozen=True, kw_only=True)
class OrdinalTarget(Target):
    """One class of several that have an order, such as grades.

    Args:
        column: Column of the class names.
        classes: Class names from the lowest to the highest; null takes those of the training rows, if they
            are numbers.
        metric: Name of a metric, or of several: ``"kappa"`` (with quadratic weights), ``"rank_mae"`` and
            those of classes. The best epoch is chosen by the first.
    """

    kind: ClassVar[str] = "ordinal"
    metrics: ClassVar[tuple[str, ...]] = ORDINAL_METRICS
    reported: ClassVar[tuple[str, ...]] = ("kappa", "rank_mae", "accuracy")
    column: str
    classes: list[str] | None = None

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.choices(self.column, Names(self.classes or []))

    def complete(self, rows: Rows) -> Self:
        classes = self._ordered(rows) if self.classes is None else self.classes
        if len(classes) < 2:
            raise ValueError(
                f"column '{self.column}' should hold two classes or more in the training rows. Found "
                f"{classes}."
            )
        return replace(self, classes=classes)

    def _ordered(self, rows: Rows) -> list[str]:
        names = rows.names(self.column)
        try:
            return sorted(names, key=float)
        except ValueError:
            raise ValueError(
                f"`classes` should list the classes of '{self.column}' from the lowest to the highest, as "
                f"they are no numbers. Found {', '.join(names[:8])}."
            ) from None

    def make_task(self) -> Task:
        return Ordinal(self.classes or [], metrics=self.metric_names)
