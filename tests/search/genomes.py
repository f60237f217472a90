"""Genomes for tests: drawn by hypothesis from spaces with odd names, or of a simulated search."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from sennit.fusion.cell import ACTIVATIONS, list_operators
from sennit.fusion.cell.genome import MERGES, Genome
from sennit.search.records import Evaluation, Proposal, Record
from sennit.search.space import Space

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def make_space(modalities: dict[str, list[str]], tasks: list[str], cells: int = 3) -> Space:
    """A space of the given names, without encoders."""
    return Space(
        modalities=tuple(modalities),
        taps={m: {**dict.fromkeys(taps, 8), "pooled": 8} for m, taps in modalities.items()},
        tasks=tuple(tasks),
        cells=cells,
        operators=tuple(list_operators()),
        activations=tuple(ACTIVATIONS),
        widths=(32, 64),
        merges=MERGES,
        betas=(0.25, 1.0),
    )


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Spaces of any names."""
    modalities = draw(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), min_size=1, max_size=4))
    tasks = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    return make_space(modalities, tasks, cells=draw(st.integers(1, 4)))


@st.composite
def genomes(draw: st.DrawFn) -> tuple[Space, Genome]:
    """A genome of one of those spaces."""
    space = draw(spaces())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return space, space.decode(space.sample(rng))


def simulate(
    space: Space,
    *,
    generations: int,
    population: int,
    seed: int = 0,
    learns: bool = False,
    diverging: float = 0.0,
    objectives: tuple[str, ...] = ("error", "parameters"),
) -> list[Record]:
    """The records of a search whose errors are a formula; one that learns mutates its better half."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    seen: dict[Genome, Record] = {}
    for generation in range(generations):
        kept = sorted(records, key=lambda r: r.evaluation.error)[: population // 2]
        for index in range(population):
            genes = space.sample(rng)
            parent = kept[int(rng.integers(len(kept)))] if learns and kept else None
            if parent:
                genes = {k: v if rng.random() < 0.15 else parent.proposal.genes[k] for k, v in genes.items()}
            genome = space.decode(genes)
            proposal = Proposal((generation, index), genes, genome, parent and parent.proposal.slot)
            earlier = seen.get(genome)
            evaluation = earlier.evaluation if earlier else _train(space, genome, rng, diverging)
            costs = {"parameters": _size(genome), "flops": 2.0 * _size(genome)}
            errors = {f"error/{task}": e for task, e in evaluation.errors.items()}
            known = {"error": evaluation.error, **errors, **costs}
            copied = earlier.proposal.slot if earlier else None
            record = Record(proposal, evaluation, tuple(known[o] for o in objectives), costs, copied)
            records.append(record)
            seen.setdefault(genome, record)
    return records


def _size(genome: Genome) -> float:
    return float(sum(genome.width * (8 * len(cell.inputs) + genome.width) for cell in genome.cells))


def _train(space: Space, genome: Genome, rng: np.random.Generator, diverging: float) -> Evaluation:
    good = sum(0.06 * (1 + space.modalities.index(m) % 2) for m in genome.used)
    good += 0.03 * sum(cell.operator == "gated" for cell in genome.cells) + 0.02 * (genome.width == 64)
    good -= 0.02 * sum(len(cell.inputs) for cell in genome.cells)
    error = math.inf if rng.random() < diverging else 0.5 - good + 0.02 * rng.random()
    return Evaluation(
        {task: error + 0.01 * i for i, task in enumerate(space.tasks)}, 3 + len(genome.used), 0.4
    )
