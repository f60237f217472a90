"""Candidates before and after their training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sennit.encoders._base import Encoder
from sennit.fusion import Cells, Fusion
from sennit.fusion.cell.genome import Genome
from sennit.search.space import Genes

Slot = tuple[int, int]
"""Generation and index within it: the key of a candidate's random numbers."""


@dataclass(frozen=True)
class Proposal:
    """A candidate to train.

    Args:
        slot: Generation and index.
        genes: Genes that the strategy proposed.
        genome: Structure that they decode to.
        parent: Slot of the candidate that it was derived from, if any.
    """

    slot: Slot
    genes: Genes
    genome: Genome
    parent: Slot | None = None


@dataclass(frozen=True)
class Evaluation:
    """The result of training a candidate.

    Args:
        errors: 1 − the validation score of each task, at the candidate's best epoch.
        epochs: Passes over the training data before it stopped.
        seconds: Share of the time in which its slice of the generation was trained.
    """

    errors: Mapping[str, float]
    epochs: int
    seconds: float

    @property
    def error(self) -> float:
        """The mean error over the tasks."""
        return sum(self.errors.values()) / len(self.errors)


@dataclass(frozen=True)
class Record:
    """A trained candidate with its objectives.

    Args:
        proposal: Candidate.
        evaluation: Result of its training.
        values: Values of the objectives, all to be minimised.
        costs: ``"parameters"``, ``"flops"`` and further costs by name.
        copied_from: Slot of an equal genome whose result this is, if the candidate was not trained itself.
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

    def create_fusion(self, encoders: Mapping[str, Encoder]) -> Fusion:
        """Make a new, untrained fusion of this structure: a module like any other."""
        return Cells(encoders, genome=self.genome.to_dict())
