"""The candidates of a generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sennit.fusion.cell.genome import Genome
from sennit.search.records import Proposal, Record
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy

FROM_STRATEGY = 64  # attempts
FROM_SPACE = 64  # attempts after those


def propose(
    strategy: Strategy,
    space: Space,
    history: Sequence[Record],
    generation: int,
    *,
    population: int,
    seed: int,
    admit: Callable[[Genome], bool],
    start: Sequence[Genome] = (),
) -> list[Proposal]:
    """Propose the candidates of a generation.

    This is a pure function, so that a search that was killed proposes the same candidates again. A genome
    that was proposed before, or that exceeds the budgets, is drawn anew, from the strategy and then from
    the whole space. If all attempts fail, an earlier genome is proposed again; its result is copied.

    Args:
        strategy: Strategy that proposes children.
        space: Space of the candidates.
        history: Candidates of all earlier generations, in the order of their slots.
        generation: Number of the generation, from 0.
        population: Number of candidates to propose.
        seed: Random seed of the search.
        admit: Function that says whether a genome is within the budgets.
        start: Genomes that the first generation begins with, as far as they are within the budgets.

    Raises:
        ValueError: No genome drawn was within the budgets.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> from sennit.search.strategies import Random
        >>> space = Space.of({"a": create_encoder("mlp", 3)}, ["y"])
        >>> new = propose(Random(), space, [], 0, population=4, seed=0, admit=lambda genome: True)
        >>> [proposal.slot for proposal in new], len({proposal.genome for proposal in new})
        ([(0, 0), (0, 1), (0, 2), (0, 3)], 4)
    """
    sample_child = strategy.prepare(space, history, generation, population=population, seed=seed)
    proposed = {record.proposal.genome for record in history}
    originals = {r.proposal.slot: r.copied_from for r in history if r.copied_from is not None}
    begun = [] if generation else [genome for genome in dict.fromkeys(start) if admit(genome)]
    proposals = [
        Proposal((generation, index), space.encode(genome), genome)
        for index, genome in enumerate(begun[:population])
    ]
    proposed |= {proposal.genome for proposal in proposals}
    for index in range(len(proposals), population):
        spare: Proposal | None = None
        for child in _attempts(sample_child, space, (seed, generation, index)):
            parent = child.parent and originals.get(child.parent, child.parent)
            proposal = Proposal((generation, index), child.genes, space.decode(child.genes), parent)
            if proposal.genome not in proposed:
                if admit(proposal.genome):
                    break
            elif spare is None and admit(proposal.genome):
                spare = proposal
        else:
            if spare is None:
                raise ValueError(
                    f"`budgets` should admit one of {FROM_STRATEGY + FROM_SPACE} genomes drawn for candidate "
                    f"{index} of generation {generation}. Found none within them. Raise the budgets, or "
                    "give the space smaller widths, fewer cells or cheaper operators."
                )
            proposal = spare
        proposed.add(proposal.genome)
        proposals.append(proposal)
    return proposals


def _attempts(sample_child: ChildSampler, space: Space, key: tuple[int, int, int]) -> Iterator[Child]:
    for attempt in range(FROM_STRATEGY + FROM_SPACE):
        rng = np.random.default_rng([*key, attempt])
        yield sample_child(rng) if attempt < FROM_STRATEGY else Child(space.sample(rng))
