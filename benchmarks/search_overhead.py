"""Overhead of a search over the training of its candidates: milliseconds a trial, ask and tell together.

The candidates are simulated and cost nothing; population 32, the genetic strategy, three cells over two
modalities (18 genes), two objectives. Everything is counted: proposing, writing, claiming, telling,
reading. The peer of the first two rows is the limit of 10 ms a trial; that of the others is Optuna's own
NSGA-II with ask and tell over the same genes, unchanged.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from benchmarks._harness import Result, arguments, report
from sennit.encoders import create_encoder
from sennit.fusion.cell.genome import Genome
from sennit.search import Evaluation, Proposal, Space, create_strategy, run_search

POPULATION = 32
LIMIT_MS = 10.0


@dataclass(frozen=True)
class Free:
    """An evaluator that takes no time: fewer taps are better, and so is a smaller width."""

    space: Space
    fingerprint: str = "free"

    def costs(self, genome: Genome) -> Mapping[str, float]:
        """Return a size."""
        return {"parameters": float(genome.width * sum(len(cell.inputs) for cell in genome.cells))}

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """Return errors that depend on the genomes alone."""
        return [Evaluation({"y": int(p.genome.key, 16) / 16**12}, 1, 0.0) for p in proposals]


def make_space() -> Space:
    """Return a space of three cells over two modalities."""
    return Space.of({"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}, ["y"], cells=3)


def ours(trials: int, folder: Path, storage: str | None) -> None:
    """Run a search of ours."""
    run_search(
        Free(make_space()),
        create_strategy("genetic"),
        folder=folder,
        name="ours",
        generations=trials // POPULATION,
        population=POPULATION,
        storage=storage,
        progress=False,
    )


def peer(trials: int, folder: Path, storage: str | None) -> None:
    """Run Optuna's, with one ask and one tell for each trial."""
    evaluator = Free(make_space())
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/peer.db" if storage is None else None,
        sampler=optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=0),
        directions=["minimize", "minimize"],
    )
    for i in range(trials // POPULATION * POPULATION):
        trial = study.ask()
        genes = {
            name: trial.suggest_categorical(name, kinds) for name, kinds in evaluator.space.genes.items()
        }
        genome = evaluator.space.decode(genes)
        (evaluation,) = evaluator.evaluate([Proposal((i // POPULATION, i % POPULATION), genes, genome)])
        study.tell(trial, [evaluation.error, evaluator.costs(genome)["parameters"]])


def each_ms(work: Callable[[int, Path, str | None], None], trials: int, storage: str | None) -> float:
    """Return the milliseconds per trial, in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        work(trials, Path(folder), storage)
        return 1e3 * (time.perf_counter() - start) / (trials // POPULATION * POPULATION)


def row(what: str, mine: Sequence[float], theirs: Sequence[float]) -> Result:
    """Return medians of runs in turn, in milliseconds."""
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    quarter = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Result(
        what,
        round(statistics.median(mine), 3),
        round(statistics.median(theirs), 3),
        round(statistics.median(ratios), 3),
        "ms",
        len(mine),
        (round(quarter[0], 3), round(quarter[2], 3)),
    )


def main() -> None:
    """Measure, print, write."""
    options = arguments("search_overhead", __doc__ or "")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    many, few, runs = (960, 160, 1) if options.quick else (10_000, 320, 3)
    rows = []
    for where, storage in (("memory", "memory"), ("sqlite", None)):
        mine = [each_ms(ours, many, storage) for _ in range(runs)]
        rows.append(row(f"a trial of {many} in {where} vs the limit", mine, [LIMIT_MS] * runs))
    for where, storage in (("memory", "memory"), ("sqlite", None)):
        pairs = [(each_ms(ours, few, storage), each_ms(peer, few, storage)) for _ in range(runs)]
        rows.append(row(f"a trial of {few} in {where} vs optuna's NSGA-II", *zip(*pairs, strict=True)))
    report("search_overhead", rows, options.out, packages=("sennit", "optuna", "sqlalchemy"))


if __name__ == "__main__":
    main()
