"""The interface between a search and the training of its candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sennit.fusion.cell.genome import Genome
from sennit.search.records import Evaluation, Proposal
from sennit.search.space import Space


class Evaluator(Protocol):
    """An object that trains candidates. It is pickled for worker processes.

    Attributes:
        space: Space of the candidates.
        fingerprint: Hash of all that the errors depend on apart from genome and slot (data, encoders, options
            of the training, seed). A study resumes only under the same fingerprint.
    """

    space: Space
    fingerprint: str

    def costs(self, genome: Genome) -> Mapping[str, float]:
        """Return the costs that are known before training, such as ``"parameters"`` and ``"flops"``."""
        ...

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train candidates side by side and return one result each, in their order.

        Args:
            proposals: Candidates; the results depend on their slots and genomes alone.
            checkpoint: File for the state of the training, and for the results; a call with the same
                proposals resumes from it.
        """
        ...
