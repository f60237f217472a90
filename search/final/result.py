"""The table of a final round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sennit.fusion.cell.genome import Genome
from sennit.registry import check_names
from sennit.tasks import MultiTaskModel


@dataclass(frozen=True)
class FinalRow:
    """A finalist, on validation data.

    Attributes:
        name: Name: of the fusion, or ``"found 1"``, the best candidate of the search.
        kind: ``"found"`` or ``"by hand"``.
        genome: Structure of a found one.
        auxiliary: Weight of the losses of its heads on the embeddings.
        frozen: Score before the tuning.
        tuned: Score of the state that counts, the mean over repeats.
        kept_frozen: Whether that is the state before the tuning.
        loss: Mean loss.
        difference: Tuned score minus that of the plain fusion; with folds, by how much its error in them is
            less.
        error: Standard error of that difference over groups, or over folds; None for the plain fusion and
            with one group.
        parameters: Number of parameters.
        seconds: Seconds of its trainings.
        chosen: Whether it is the model of the search.
    """

    name: str
    kind: str
    genome: Genome | None
    auxiliary: float
    frozen: float
    tuned: float
    kept_frozen: bool
    loss: float
    difference: float
    error: float | None
    parameters: int
    seconds: float
    chosen: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "genome": None if self.genome is None else self.genome.to_dict()}


@dataclass(frozen=True)
class FinalResult:
    """The rows of a final round, and why one was chosen.

    Attributes:
        rows: Finalists: those picked by hand, the plain one first, then those found.
        reason: Sentence that says why the chosen one was.
        load: Function that reads the model of a row, by name.
    """

    rows: Sequence[FinalRow]
    reason: str
    load: Callable[[str], MultiTaskModel] = field(compare=False, repr=False)

    def model(self, name: str) -> MultiTaskModel:
        """Return the model of a row, trained, in evaluation mode.

        Raises:
            ValueError: There is no such row; close names are listed.
        """
        check_names("finalist", [name], [row.name for row in self.rows])
        return self.load(name)

    @property
    def chosen(self) -> FinalRow:
        """The row of the search's model."""
        return next(row for row in self.rows if row.chosen)

    @property
    def best_found(self) -> FinalRow:
        """The best row that the search found."""
        return self._best("found")

    @property
    def best_by_hand(self) -> FinalRow:
        """The best row picked by hand."""
        return self._best("by hand")

    def _best(self, kind: str) -> FinalRow:
        return min((r for r in self.rows if r.kind == kind), key=lambda r: (-r.tuned, r.loss, r.parameters))

    def to_dict(self) -> Mapping[str, Any]:
        """Return plain JSON values."""
        return {"reason": self.reason, "rows": [row.to_dict() for row in self.rows]}
