"""The result of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sennit.encoders import Encoder
from sennit.search.final.result import FinalResult
from sennit.search.final.start import load_candidate, make_model
from sennit.search.pareto import pareto_front
from sennit.search.ranked import ranked
from sennit.search.records import Record
from sennit.search.report.search_report import write_search_report
from sennit.search.space import Space
from sennit.tasks import MultiTaskModel, Task


@dataclass(frozen=True)
class SearchResult:
    """All candidates of a search, and the best of them.

    Attributes:
        records: Every candidate, in the order of generation and index.
        space: Space of the candidates.
        objectives: Names of the values of the records.
        population: Number of candidates in a generation.
        strategy: Name of the strategy.
        tasks: Tasks that the candidates were trained for.
        model: Model that the final round chose, trained, in evaluation mode; None without one.
        final: Table of the final round; None without one.
    """

    records: Sequence[Record]
    space: Space
    objectives: tuple[str, ...]
    population: int
    strategy: str
    tasks: Mapping[str, Task]
    model: MultiTaskModel | None = None
    final: FinalResult | None = None

    @property
    def best(self) -> Record:
        """The candidate of least validation error; among equals the smallest, then the earliest.

        With folds, the candidate of least loss among those within a standard error of the best.
        """
        return ranked(self.records)[0]

    @property
    def front(self) -> list[Record]:
        """The candidates that no other dominates in all objectives."""
        return [self.records[i] for i in pareto_front([r.values for r in self.records])]

    def build(self, record: Record, encoders: Mapping[str, Encoder]) -> MultiTaskModel:
        """Return the model of a candidate with its weights: encoders as given, its fusion and its heads.

        Its errors on the validation data are those of the candidate, where the encoders are those of the
        search.

        Args:
            record: One of ``records``.
            encoders: Encoders by modality; they are part of the model, not copied.

        Raises:
            ValueError: The search kept no weights.
            FileNotFoundError: The file of the weights is gone.
        """
        model = make_model(encoders, record.build(encoders), self.tasks, modality_dropout=0.0)
        load_candidate(model, record.trained_weights())
        return model.eval()

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
