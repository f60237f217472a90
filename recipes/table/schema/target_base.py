"""The base of the kinds of target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sennit.recipes.table.reading.rows import Rows
from sennit.registry import check_names
from sennit.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Target:
    """Base of the kinds of target.

    Attributes:
        kind: Name of the kind in a schema.
        metrics: Metrics that its task can have.
        reported: Those of them that are reported, whatever the schema says.
        column_names: Columns that it reads.
        scaled: Whether labels are standardised for the training, and answers brought back into their units.
        fewest: Number of labels that a validation needs for its metrics.
    """

    kind: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    reported: ClassVar[tuple[str, ...]]
    fewest: ClassVar[int] = 1
    metric: str | list[str] | None = None

    def __post_init__(self) -> None:
        check_names("metric", self._chosen, self.metrics)

    @property
    def _chosen(self) -> list[str]:
        return [self.metric] if isinstance(self.metric, str) else list(self.metric or ())

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics of its task: those that the schema names, then those that are always reported."""
        return tuple(dict.fromkeys([*self._chosen, *self.reported]))

    @property
    def monitored(self) -> str:
        """Metric by which the best epoch is chosen."""
        return self.metric_names[0]

    @property
    def scaled(self) -> bool:
        return False

    @property
    def column_names(self) -> list[str]:
        raise NotImplementedError

    def read(self, rows: Rows) -> Sequence[Any]:
        """Return the label of each row, as `sennit.data.Collate` takes it.

        None where blank, a `BadCell` where it cannot be used.
        """
        raise NotImplementedError

    def complete(self, rows: Rows) -> Self:
        """Return a copy in which everything undeclared is taken from training rows."""
        return self

    def make_task(self) -> Task:
        raise NotImplementedError
