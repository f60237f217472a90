"""MFAS: sequential search, guided by a surrogate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sennit.fusion.cell.genome import Genome
from sennit.search.flat_genes import Choice
from sennit.search.records import Record
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy, register_strategy

Array = NDArray[np.float64]


@register_strategy("mfas")
class MFAS(Strategy):
    """Sequential search: fusions grow by one cell in each generation, and a surrogate chooses which to train.

    Generations cycle through levels 1 to L. At level 1 the choices are all fusions of a single cell, at
    level l all that add one cell to a fusion of the previous generation. The surrogate, fitted once a
    generation to all results, scores the choices in one batch; they are drawn without replacement, with
    probabilities proportional to ``exp(score / T)``. T falls from `t_max` to `t_min` by the same factor each
    generation, over all levels and cycles.

    Source: Pérez-Rúa et al. 2019, "MFAS: Multimodal Fusion Architecture Search" (algorithm 1).

    Differences from the paper: the surrogate is a forest of extremely randomised trees on one-hot genes,
    not an LSTM (it needs no tuning and is fitted in a fraction of a second); scores are standardised, so
    that one range of temperatures serves any task; the width, the merge and β, which MFAS lacks, are chosen
    at level 1 and inherited; of more than `pool` candidates, that many are drawn at random and scored.

    Args:
        steps: Number of generations until the temperature is `t_min`.
        t_max: Temperature of the first generation.
        t_min: Temperature of the last.
        pool: Maximum number of candidates to score in a generation. The space of the paper has fewer.

    Raises:
        ValueError: An option is not positive, or `t_max` is below `t_min`.

    Example:
        >>> strategy = MFAS(steps=3, t_max=9.0, t_min=1.0)
        >>> [strategy.temperature(generation) for generation in range(4)]
        [9.0, 3.0, 1.0, 1.0]
    """

    def __init__(self, steps: int = 20, t_max: float = 10.0, t_min: float = 0.2, pool: int = 2048) -> None:
        for name, value in {"steps": steps, "t_min": t_min, "pool": pool}.items():
            if value <= 0:
                raise ValueError(f"`{name}` should be positive. Found {value}.")
        if t_max < t_min:
            raise ValueError(f"`t_max` should not be below `t_min`. Found {t_max} and {t_min}.")
        self.steps = steps
        self.t_max = t_max
        self.t_min = t_min
        self.pool = pool

    def temperature(self, generation: int) -> float:
        """Return the temperature T of a generation."""
        done = min(generation / max(self.steps - 1, 1), 1.0)
        return float(self.t_max * (self.t_min / self.t_max) ** done)

    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        # The spawn key is needed: NumPy treats [seed, generation] and [seed, generation, 0, 0] as equal.
        rng = np.random.default_rng(np.random.SeedSequence([seed, generation], spawn_key=(0,)))
        level = generation % space.cells + 1
        parents = [r for r in history[-population:] if len(r.proposal.genome.cells) == level - 1]
        proposed = {record.proposal.genome for record in history}
        children: dict[Genome, Child] = {}
        for child in _grown(space, parents, rng, self.pool):
            genome = space.decode(child.genes)
            # A first cell without taps decodes to a whole chain.
            if genome not in proposed and len(genome.cells) <= level:
                children.setdefault(genome, child)
        candidates = list(children.items())
        if not candidates:
            return lambda rng: Child(space.sample(rng))
        scores = _scores(space, history, [genome for genome, _ in candidates], seed)
        log_weights = scores / self.temperature(generation)

        def sample_child(rng: np.random.Generator) -> Child:
            # The maximum of log-weights with Gumbel noise is a draw in proportion to the weights.
            i = int(np.argmax(log_weights + rng.gumbel(size=len(log_weights))))
            if log_weights[i] == -np.inf:
                return Child(space.sample(rng))
            log_weights[i] = -np.inf
            return candidates[i][1]

        return sample_child


def _grown(space: Space, parents: Sequence[Record], rng: np.random.Generator, limit: int) -> list[Child]:
    """Return each parent with one more cell, in every way; without parents, every single cell."""
    last = space.cells - 1
    cell = {name: choices for name, choices in space.genes.items() if name.startswith(f"cell{last}.")}
    bases: list[tuple[Child, Mapping[str, Sequence[Choice]]]] = []
    if parents:
        for record in parents:
            moved = _shift_cells(space, record.proposal.genome)
            # A task moves to the new cell, or stays.
            reads = {name: (i, last) for name, i in moved.items() if name.startswith("reads.")}
            bases.append((Child(moved, record.proposal.slot), {**cell, **reads}))
    else:
        plain = {
            name: choices[-1 if name.startswith("reads.") else 0] for name, choices in space.genes.items()
        }
        whole = {name: space.genes[name] for name in ("width", "merge", "beta")}
        bases.append((Child(plain), {**cell, **whole}))
    shape = (len(bases), *(len(choices) for choices in bases[0][1].values()))
    size = math.prod(shape)
    indices = np.arange(size) if size <= limit else rng.choice(size, limit, replace=False)
    grown = []
    for base, *chosen in np.stack(np.unravel_index(indices, shape), 1).tolist():
        child, axes = bases[base]
        added = {name: choices[i] for (name, choices), i in zip(axes.items(), chosen, strict=True)}
        grown.append(Child({**child.genes, **added}, child.parent))
    return grown


def _shift_cells(space: Space, genome: Genome) -> dict[str, Choice]:
    """Return the genes of a genome with its cells one position earlier, so that the last one is free."""
    genes = space.encode(genome)
    for name in genes:
        owner, _, rest = name.partition(".")
        if owner.startswith("cell") and owner != f"cell{space.cells - 1}":
            genes[name] = genes[f"cell{int(owner[4:]) + 1}.{rest}"]
        elif owner == "reads":
            genes[name] = max(int(genes[name]) - 1, 0)
    if genes["merge"] == "early" and "intermediate" in space.merges:
        genes["merge"] = "intermediate"  # else the new cell could read nothing
    return genes


def _scores(space: Space, history: Sequence[Record], genomes: Sequence[Genome], seed: int) -> Array:
    """Predict by how many standard deviations each genome is better than their mean."""
    from sklearn.ensemble import ExtraTreesRegressor

    errors = np.array([record.values[0] for record in history])
    finite = np.isfinite(errors)
    if not finite.any():
        return np.zeros(len(genomes))
    errors[~finite] = errors[finite].max()
    surrogate = ExtraTreesRegressor(n_estimators=100, min_samples_leaf=2, random_state=seed)
    surrogate.fit(_one_hot(space, [record.proposal.genome for record in history]), errors)
    scores: Array = -surrogate.predict(_one_hot(space, genomes))
    return np.asarray((scores - scores.mean()) / (scores.std() or 1.0))


def _one_hot(space: Space, genomes: Sequence[Genome]) -> Array:
    """Return one column for each choice of each gene, as choices have no order that a regressor could use."""
    genes = [space.encode(genome) for genome in genomes]
    indicators = [
        [genes_of_one[name] == choice for genes_of_one in genes]
        for name, choices in space.genes.items()
        for choice in choices
    ]
    return np.array(indicators, dtype=float).T
