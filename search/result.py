"""The result of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sennit.search.pareto import pareto_front
from sennit.search.records import Record
from sennit.search.report.search_report import write_search_report
from sennit.search.space import Space


@dataclass(frozen=True)
class SearchResult:
    """All candidates of a search, and the best of them.

    Attributes:
        records: Every candidate, in the order of generation and index.
        space: Space of the candidates.
        objectives: Names of the values of the records.
        population: Number of candidates in a generation.
        strategy: Name of the strategy.
    """

    records: Sequence[Record]
    space: Space
    objectives: tuple[str, ...]
    population: int
    strategy: str

    @property
    def best(self) -> Record:
        """The candidate of least mean validation error; among equals the smallest, then the earliest."""
        return min(
            self.records, key=lambda r: (r.evaluation.error, r.costs.get("parameters", 0.0), r.proposal.slot)
        )

    @property
    def front(self) -> list[Record]:
        """The candidates that no other dominates in all objectives."""
        return [self.records[i] for i in pareto_front([r.values for r in self.records])]

    def report(self, folder: str | Path) -> Path:
        """Write ``report.html``, its pictures, and the records as CSV and JSON; return the page's path."""
        return write_search_report(
            Path(folder),
            {self.strategy: self.records},
            self.space,
            objectives=self.objectives,
            population=self.population,
            title="Search for a fusion",
            winners={"best": self.best.genome},
        )
