"""The loop of a worker, in any process."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sennit.disk_faults import make_folder
from sennit.fusion.cell.genome import Genome
from sennit.search.evaluator import Evaluator
from sennit.search.population import propose
from sennit.search.records import Evaluation
from sennit.search.strategies._base import Strategy
from sennit.search.study.claims import Claim, claim, heartbeats
from sennit.search.study.connection import storage_errors
from sennit.search.study.history import History
from sennit.search.study.storage import Store
from sennit.search.study.trials import objective_values, proposal, retry, slot, templates

_POLL_S = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """The settings of a worker. They are pickled for other processes.

    Args:
        evaluator: Evaluator that trains the candidates.
        strategy: Strategy that proposes them.
        url: Address of the storage of the study.
        name: Name of the study.
        checkpoints: Folder for the state of unfinished trainings.
        generations: Number of generations.
        population: Number of candidates in a generation.
        objectives: Names of the values.
        budgets: Upper limits of costs.
        slices: Number of slices of a generation.
        seed: Random seed of the search.
        heartbeat_s: Seconds between heartbeats.
        start: Genomes that the first generation begins with.
        deadline: Time, as `time.time` returns it, after which no generation is begun but the first.
    """

    evaluator: Evaluator
    strategy: Strategy
    url: str
    name: str
    checkpoints: Path
    generations: int
    population: int
    objectives: tuple[str, ...]
    budgets: Mapping[str, float]
    slices: int
    seed: int
    heartbeat_s: float
    start: tuple[Genome, ...] = ()
    deadline: float = math.inf

    def open(self) -> Store:
        """Open the study."""
        return Store(self.url, self.name, objectives=self.objectives, heartbeat_s=self.heartbeat_s)

    def history(self, store: Store) -> History:
        """Return an empty view of the study, to be refreshed."""
        return History(store, self.evaluator.space, population=self.population, generations=self.generations)


class Worker:
    """Proposes generations, claims slices of them and has them trained, until the study is complete.

    Args:
        job: Settings of the worker.
        store: Open study.
        history: Current view of the study; complete in the end.
        watch: Function called with the history after every step.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        history: History,
        watch: Callable[[History], None] = lambda history: None,
    ) -> None:
        self.job, self.store, self.history, self.watch = job, store, history, watch
        self._costs: dict[str, Mapping[str, float]] = {}
        self._swept = time.monotonic()

    def run(self) -> None:
        """Work until the study is complete.

        Raises:
            OSError: The storage failed.
            RuntimeError: A candidate failed in another worker.
        """
        with storage_errors(self.job.url):
            self.history.refresh()
            while not self.history.complete and not self._late():
                if not self._propose() and not self._train():
                    self._wait()
                self.history.refresh()
                self.watch(self.history)

    def _late(self) -> bool:
        """Return whether the time is up, between two generations."""
        history = self.history
        between = history.records and not history.live and not history.failed
        return bool(between) and time.time() > self.job.deadline

    def _propose(self) -> bool:
        """Append the trials that the generation lacks: all of them, or those whose workers were lost."""
        history, job = self.history, self.job
        if history.failed:
            for trial in history.failed.values():
                if "error" in trial.user_attrs:
                    raise RuntimeError(
                        f"candidate {slot(trial)} of study '{job.name}' failed in another worker: "
                        f"{trial.user_attrs['error']}. Once that is fixed, the same call resumes."
                    )
            return self.store.append([retry(t) for t in history.failed.values()], expected=history.seen)
        if history.live:
            return False
        space = job.evaluator.space
        proposals = propose(
            job.strategy,
            space,
            history.records,
            history.generation,
            population=job.population,
            seed=job.seed,
            admit=self._admit,
            start=job.start,
        )
        costs = [self._cost(p.genome) for p in proposals]
        self.store.append(
            templates(proposals, history.first, costs, space, job.slices), expected=history.seen
        )
        return True

    def _cost(self, genome: Genome) -> Mapping[str, float]:
        if genome.key not in self._costs:
            self._costs[genome.key] = self.job.evaluator.costs(genome)
        return self._costs[genome.key]

    def _admit(self, genome: Genome) -> bool:
        budgets = self.job.budgets
        return not budgets or all(self._cost(genome)[name] <= limit for name, limit in budgets.items())

    def _train(self) -> bool:
        """Claim a slice and train it; return False if there is none to claim."""
        claimed = claim(self.store, self.history.live)
        if claimed is None:
            return False
        try:
            with heartbeats(self.store, claimed.lock, self.job.heartbeat_s):
                if claimed.slice is None:
                    self._store_results(claimed, self._copies(claimed))
                else:
                    self._evaluate(claimed)
        except KeyboardInterrupt:
            for trial in claimed.todo:
                self.store.give_back(trial)
            raise
        return True

    def _evaluate(self, claimed: Claim) -> None:
        job = self.job
        make_folder(job.checkpoints)
        checkpoint = job.checkpoints / f"{self.history.generation}-{claimed.slice}"
        proposals = [proposal(trial, job.evaluator.space) for trial in claimed.trials]
        try:
            results = job.evaluator.evaluate(proposals, checkpoint=checkpoint)
            for p, result in zip(proposals, results, strict=True):
                if result.error != result.error:
                    raise ValueError(
                        f"the errors of {p.slot} should be numbers. Found {dict(result.errors)}."
                    )
        except Exception as error:
            for trial in claimed.todo[1:]:
                self.store.give_back(trial)
            self.store.fail(claimed.lock, f"{type(error).__name__}: {error}")
            raise
        self._store_results(
            claimed, {trial.number: result for trial, result in zip(claimed.trials, results, strict=True)}
        )
        checkpoint.unlink(missing_ok=True)

    def _copies(self, claimed: Claim) -> dict[int, Evaluation]:
        """Return the evaluations of equal, earlier genomes."""
        evaluations = {r.proposal.slot: r.evaluation for r in self.history.records}
        for trial in self.history.live.values():
            if "evaluation" in trial.user_attrs:
                evaluations[slot(trial)] = Evaluation.from_dict(trial.user_attrs["evaluation"])
        return {t.number: evaluations[tuple(t.user_attrs["copied_from"])] for t in claimed.trials}

    def _store_results(self, claimed: Claim, results: Mapping[int, Evaluation]) -> None:
        """Store results, unless another worker has taken over and stored its own."""
        evaluations = [results[trial.number] for trial in claimed.todo]
        values = [
            objective_values(self.job.objectives, result, trial.user_attrs["costs"])
            for trial, result in zip(claimed.todo, evaluations, strict=True)
        ]
        kept = self.store.complete(
            claimed.todo, values, [asdict(r) | {"errors": dict(r.errors)} for r in evaluations]
        )
        if claimed.lock.number not in kept:
            _log.warning(
                "the slice of candidate %s was taken over by another worker, which saw no heartbeat here",
                slot(claimed.lock),
            )

    def _wait(self) -> None:
        """Wait for results of other workers, and look for dead workers in between."""
        end = time.monotonic() + self.job.heartbeat_s
        while time.monotonic() < end and self.store.completed() == self.history.finished:
            time.sleep(min(_POLL_S, self.job.heartbeat_s))
        if time.monotonic() - self._swept > self.job.heartbeat_s:
            self.store.sweep()
            self._swept = time.monotonic()
