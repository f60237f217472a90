"""The candidates of a generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sennit.fusion.cell.genome import Genome
from sennit.search.records import Proposal, Record
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy

DRAWN = 64  # attempts from the strategy
SAMPLED = 64  # attempts from the whole space, after those


def propose(
    strategy: Strategy,
    space: Space,
    history: Sequence[Record],
    generation: int,
    *,
    population: int,
    seed: int,
    admit: Callable[[Genome], bool],
) -> list[Proposal]:
    """What to train next: a pure function, so that a search that was killed proposes the same again.

    No genome is proposed twice as long as another is found: what is known already, or outside the
    budgets, is drawn again, from the strategy and then from the whole space. Where all attempts fail, one
    that is known already is proposed, for which nobody pays.

    Args:
        strategy: What draws.
        space: What to draw from.
        history: Every candidate of the generations before, in the order of their slots.
        generation: From 0.
        population: Candidates to propose.
        seed: Of the search.
        admit: Whether a genome is within the budgets.

    Raises:
        ValueError: None of the genomes drawn was within the budgets.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> from sennit.search.strategies import Random
        >>> space = Space.of({"a": create_encoder("mlp", 3)}, ["y"])
        >>> new = propose(Random(), space, [], 0, population=4, seed=0, admit=lambda genome: True)
        >>> [proposal.slot for proposal in new], len({proposal.genome for proposal in new})
        ([(0, 0), (0, 1), (0, 2), (0, 3)], 4)
    """
    draw = strategy.prepare(space, history, generation, population=population, seed=seed)
    known = {record.proposal.genome for record in history}
    trained = {r.proposal.slot: r.copied_from for r in history if r.copied_from is not None}
    proposals: list[Proposal] = []
    for index in range(population):
        spare: Proposal | None = None
        for child in _attempts(draw, space, (seed, generation, index)):
            parent = child.parent and trained.get(child.parent, child.parent)
            proposal = Proposal((generation, index), child.genes, space.decode(child.genes), parent)
            if proposal.genome not in known:
                if admit(proposal.genome):
                    break
            elif spare is None and admit(proposal.genome):
                spare = proposal
        else:
            if spare is None:
                raise ValueError(
                    f"`budgets` should admit one of {DRAWN + SAMPLED} genomes drawn for candidate {index} "
                    f"of generation {generation}. Found none that they do. Raise them, or give the space "
                    "smaller widths, fewer cells or cheaper operators."
                )
            proposal = spare
        known.add(proposal.genome)
        proposals.append(proposal)
    return proposals


def _attempts(draw: ChildSampler, space: Space, place: tuple[int, int, int]) -> Iterator[Child]:
    for attempt in range(DRAWN + SAMPLED):
        rng = np.random.default_rng([*place, attempt])
        yield draw(rng) if attempt < DRAWN else Child(space.sample(rng))
