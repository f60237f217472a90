"""What a search asks of whoever trains its candidates, and what that asks of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sennit.fusion.cell.genome import Genome
from sennit.search.records import Evaluation, Proposal
from sennit.search.space import Space
from torch import Tensor


class Objective(Protocol):
    """What a search trains and scores with; every labelled task of `tasks` with a head is one.

    Attributes:
        out_dim: Size of a head's output.
        reads: The modalities that it may see; None for all.
    """

    out_dim: int
    reads: tuple[str, ...] | None

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """``[B, out_dim]`` and targets to ``[B]``, or to the target's shape where parts may be unlabelled."""
        ...

    def log_probabilities(self, output: Tensor) -> Tensor | None:
        """``[..., C]`` over the alternatives, for decision merges; None when there are none."""
        ...

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        """The loss of each sample from the cost of each alternative."""
        ...

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """One figure for outputs on labelled samples, of which 1 is the best there is."""
        ...


class Evaluator(Protocol):
    """Trains candidates. It is pickled, to go to worker processes.

    Attributes:
        space: What the candidates are from.
        fingerprint: A hash of all that the errors depend on besides genome and slot (data, encoders,
            options of training, seed): a study is not gone on with under another.
    """

    space: Space
    fingerprint: str

    def costs(self, genome: Genome) -> Mapping[str, float]:
        """``"parameters"``, ``"flops"`` and any other cost that is known before training."""
        ...

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train the candidates side by side; one result each, in their order.

        Args:
            proposals: Candidates; the results depend on their slots and genomes alone.
            checkpoint: Where to keep the state while training, and the results; a call with the
                same proposals goes on from there.
        """
        ...
