"""What is known of a candidate, before and after it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sennit.encoders._base import Encoder
from sennit.fusion import Fusion
from sennit.fusion.cell.genome import Genome
from sennit.search.space import Genes

Slot = tuple[int, int]
"""A generation and an index within it: what random numbers are keyed by."""


@dataclass(frozen=True)
class Proposal:
    """A candidate to train.

    Args:
        slot: Its generation and index.
        genes: As the strategy proposed them.
        genome: What they decode to.
        parent: The slot of the candidate that it was made from, where there is one.
    """

    slot: Slot
    genes: Genes
    genome: Genome
    parent: Slot | None = None


@dataclass(frozen=True)
class Evaluation:
    """What training a candidate gave.

    Args:
        errors: By task, 1 − its score on the validation data, at the candidate's best epoch.
        epochs: Passes over the training data before it stopped.
        seconds: Its share of the time that its stack took.
    """

    errors: Mapping[str, float]
    epochs: int
    seconds: float

    @property
    def error(self) -> float:
        """The mean over the tasks."""
        return sum(self.errors.values()) / len(self.errors)


@dataclass(frozen=True)
class Record:
    """A candidate that was trained, with its objectives.

    Args:
        proposal: What was trained.
        evaluation: What came of it.
        values: The objectives, all to be made small.
        costs: ``"parameters"``, ``"flops"`` and what else was asked for.
        copied_from: The slot of an equal genome, when nothing was paid for this one.
    """

    proposal: Proposal
    evaluation: Evaluation
    values: tuple[float, ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    copied_from: Slot | None = None

    @property
    def genome(self) -> Genome:
        """The structure of its fusion."""
        return self.proposal.genome

    def build(self, encoders: Mapping[str, Encoder]) -> Fusion:
        """A new, untrained fusion of this structure: a module like any other."""
        from sennit.fusion.intermediate.cells import Cells

        return Cells(encoders, genome=self.genome.to_dict())
