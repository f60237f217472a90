"""A simulated problem: errors that a genome determines, up to the noise of its slot."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable

import numpy as np

from sennit.encoders import create_encoder
from sennit.fusion.cell.genome import Genome
from sennit.search.flat_genes import NONE, Choice
from sennit.search.population import propose
from sennit.search.records import Evaluation, Proposal, Record, Slot
from sennit.search.space import Space
from sennit.search.strategies import Strategy


def make_space(
    modalities: str = "ab", tasks: Iterable[str] = ("y",), cells: int = 3, **options: object
) -> Space:
    encoders = {m: create_encoder("mlp", 3, embed_dim=8 * (i + 1)) for i, m in enumerate(modalities)}
    return Space.of(encoders, tasks, cells=cells, **options)  # type: ignore[arg-type]


class Landscape:
    """Each choice of the canonical genome has an effect, and so has each pair of choices within a cell, and
    each pair of taps of neighbouring cells.

    Args:
        space: Of the genomes.
        seed: Of the effects.
        noise: Standard deviation of what the slot adds to the logit.
    """

    def __init__(self, space: Space, seed: int = 0, noise: float = 0.1) -> None:
        self.space = space
        self.seed = seed
        self.noise = noise
        self._effects: dict[tuple[object, ...], float] = {}

    def _effect(self, *what: object) -> float:
        if what not in self._effects:
            digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
            self._effects[what] = float(np.random.default_rng(list(digest[:8])).normal())
        return self._effects[what]

    def parameters(self, genome: Genome) -> float:
        size = 0
        for i, cell in enumerate(genome.cells):
            size += (
                sum(self.space.taps[m][tap] * genome.width for m, tap in cell.inputs)
                + (i > 0) * genome.width**2
            )
            size *= {"gated": 2, "attention": 3, "low_rank": 4}.get(cell.operator, 1)
        return float(size)

    def error(self, genome: Genome, slot: Slot) -> float:
        genes: dict[str, Choice] = self.space.encode(genome)
        logit = 0.0
        groups = [[name for name in group if genes[name] != NONE] for group in self.space.groups]
        for group in groups:
            logit += 0.3 * sum(self._effect(name, genes[name]) for name in group)
            pairs = itertools.combinations(group, 2)
            logit += 0.3 * sum(self._effect(a, genes[a], b, genes[b]) for a, b in pairs)
        for before, after in itertools.pairwise(groups[: self.space.cells]):
            pairs = itertools.product([n for n in before if ".tap." in n], [n for n in after if ".tap." in n])
            logit += 0.15 * sum(self._effect(a, genes[a], b, genes[b]) for a, b in pairs)
        logit += 0.5 * len(genome.unused)
        logit += self.noise * float(np.random.default_rng([self.seed, *slot]).normal())
        return float(1 / (1 + np.exp(1.5 - 0.5 * logit)))

    def record(self, proposal: Proposal) -> Record:
        error, parameters = self.error(proposal.genome, proposal.slot), self.parameters(proposal.genome)
        return Record(
            proposal, Evaluation({"y": error}, 1, 0.0), (error, parameters), {"parameters": parameters}
        )


def run(
    strategy: Strategy,
    space: Space,
    record: Callable[[Proposal], Record],
    *,
    generations: int,
    population: int = 16,
    seed: int = 0,
    admit: Callable[[Genome], bool] = lambda genome: True,
) -> list[Record]:
    """A whole search."""
    history: list[Record] = []
    for generation in range(generations):
        new = propose(strategy, space, history, generation, population=population, seed=seed, admit=admit)
        history += [record(proposal) for proposal in new]
    return history
