"""Candidates before and after their training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from sennit.encoders._base import Encoder
from sennit.fusion import Cells, Fusion
from sennit.fusion.cell.genome import Genome
from sennit.search.flat_genes import Genes

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
        judged: Tasks that the search is about; all when empty.
        losses: Mean validation loss of each task at that epoch; empty where it was not computed.
        folds: Error in each fold; empty without folds.
    """

    errors: Mapping[str, float]
    epochs: int
    seconds: float
    judged: tuple[str, ...] = ()
    losses: Mapping[str, float] = field(default_factory=dict)
    folds: tuple[float, ...] = ()

    @property
    def error(self) -> float:
        """The mean error over the tasks that the search is about."""
        return _mean(self.errors, self.judged)

    @property
    def loss(self) -> float:
        """The mean validation loss over the tasks that the search is about; infinite where unknown."""
        return _mean(self.losses, self.judged) if self.losses else math.inf

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation of its fields, read back from JSON."""
        tuples = {name: tuple(values.get(name, ())) for name in ("judged", "folds")}
        return cls(**{**values, **tuples})


def _mean(values: Mapping[str, float], names: Sequence[str]) -> float:
    return sum(values[name] for name in names or values) / len(names or values)


@dataclass(frozen=True)
class Record:
    """A trained candidate with its objectives.

    Args:
        proposal: Candidate.
        evaluation: Result of its training.
        values: Values of the objectives, all to be minimised.
        costs: ``"parameters"``, ``"flops"`` and further costs by name.
        copied_from: Slot of an equal genome whose result this is, if the candidate was not trained itself.
        weights: File of its weights at the epoch that counts, where the search kept them.
    """

    proposal: Proposal
    evaluation: Evaluation
    values: tuple[float, ...]
    costs: Mapping[str, float] = field(default_factory=dict)
    copied_from: Slot | None = None
    weights: Path | None = field(default=None, compare=False)

    @property
    def genome(self) -> Genome:
        """The structure of its fusion."""
        return self.proposal.genome

    def build(self, encoders: Mapping[str, Encoder], *, trained: bool = False) -> Fusion:
        """Make a fusion of this structure: a module like any other.

        Args:
            encoders: Encoders by modality.
            trained: Whether it has the weights of the candidate, for encoders as they were in the search;
                otherwise it is new. `SearchResult.build` adds the heads.

        Raises:
            ValueError: The search kept no weights.
            FileNotFoundError: The file of the weights is gone.
        """
        fusion = Cells(encoders, genome=self.genome.to_dict())
        if trained:
            weights = {n: value for n, value in self.trained_weights().items() if n.startswith("fusion.")}
            fusion.load_state_dict({n.removeprefix("fusion."): value for n, value in weights.items()})
        return fusion

    def trained_weights(self) -> dict[str, Tensor]:
        """Return the candidate's weights by name: those of its ``fusion`` and its ``heads``.

        Raises:
            ValueError: The search kept no weights.
            FileNotFoundError: The file is gone.
        """
        if self.weights is None:
            raise ValueError(
                "the weights of a candidate should be kept. Found none: this record is not of `search`."
            )
        with safe_open(self.weights, "pt") as file:
            names = json.loads(file.metadata()["names"])
            return {names[role]: file.get_tensor(role) for role in file.keys()}  # noqa: SIM118
