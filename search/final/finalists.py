"""The finalists: candidates of unlike structure, and fusions picked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sennit.encoders import Encoder
from sennit.fusion import FUSIONS, Cells, Fusion, create_fusion, list_fusions
from sennit.fusion.cell.genome import Genome
from sennit.registry import check_names
from sennit.search.final.settings import Final
from sennit.search.records import Record

FOUND, BY_HAND = "found", "by hand"


@dataclass(frozen=True)
class Finalist:
    """A fusion of the final round, before its tuning.

    Args:
        name: Name in tables.
        kind: ``"found"`` by the search or picked ``"by hand"``.
        auxiliary: Weight of the losses of heads on the embeddings, of a found one.
        genome: Structure, of a found one.
        record: Candidate, of a found one.
        width: Size of the fused vector, of one picked by hand.
    """

    name: str
    kind: str
    auxiliary: float = 0.0
    genome: Genome | None = None
    record: Record | None = None
    width: int = 128

    def create_fusion(self, encoders: Mapping[str, Encoder]) -> Fusion:
        """Make its fusion, untrained."""
        if self.genome is None:
            return create_fusion(self.name, encoders, embed_dim=self.width)
        return Cells(encoders, genome=self.genome.to_dict(), auxiliary_weight=self.auxiliary)


def choose_finalists(records: Sequence[Record], final: Final, width: int) -> list[Finalist]:
    """Return the best candidates of unlike structure, with each auxiliary weight, and the fusions by hand.

    Args:
        records: Candidates of the search; those whose training diverged are left out.
        final: Options of the final round.
        width: Size of the fused vector of the fusions picked by hand.

    Raises:
        ValueError: A fusion of ``against`` does not exist, or has to be measured on training data first.
    """
    check_names("fusion in `against`", final.against, list_fusions())
    for name in final.against:
        if FUSIONS.get(name).fits:
            raise ValueError(
                f"`against` should name fusions that learn by gradients alone. Found '{name}', which is "
                f"measured on training data first. Leave it out."
            )
    chosen = unlike([r for r in records if math.isfinite(r.values[0])], final.candidates)
    candidates = [
        Finalist(_name(rank, weight), FOUND, weight, record.genome, record)
        for rank, record in enumerate(chosen, start=1)
        for weight in final.auxiliary
    ]
    return [*(Finalist(name, BY_HAND, width=width) for name in final.against), *candidates]


def unlike(records: Sequence[Record], count: int) -> list[Record]:
    """Return the best records of which no two differ in width, activations, skips or β alone."""
    best: dict[object, Record] = {}
    for record in sorted(
        records, key=lambda r: (r.values[0], r.costs.get("parameters", 0.0), r.proposal.slot)
    ):
        best.setdefault(structure(record.genome), record)
    return list(best.values())[:count]


def _name(rank: int, weight: float) -> str:
    return f"found {rank}, auxiliary {weight:g}" if weight else f"found {rank}"


def structure(genome: Genome) -> object:
    """Return what two genomes of the same structure share: taps, operators, merge, and what tasks read."""
    cells = tuple((cell.inputs, cell.operator) for cell in genome.cells)
    return cells, genome.merge, tuple(sorted(genome.reads.items()))
