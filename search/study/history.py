"""A worker's view of its study: read once, then updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sennit.search.records import Record, Slot
from sennit.search.space import Space
from sennit.search.study.storage import Store
from sennit.search.study.trials import record, slot

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class History:
    """The records of all complete generations, and the trials of the current one.

    Trials of a generation are added when the previous one is complete, so each generation is a run of trial
    numbers.

    Args:
        store: Open study.
        space: Space of the candidates.
        population: Number of candidates in a generation.
        generations: Number of generations to read.

    Attributes:
        records: Records in the order of the slots.
        first: First slot of each genome of the records, by the genome's key.
        generation: Number of the current generation; ``generations`` when all are complete.
        live: Trials of that generation that have not failed, by index; at most one each.
        failed: Last failed trial of each index without a live one.
        seen: Number of trials of the study at the last reading.
    """

    def __init__(self, store: Store, space: Space, *, population: int, generations: int) -> None:
        self._store, self._space = store, space
        self._population, self._generations = population, generations
        self._start = 0
        self.records: list[Record] = []
        self.first: dict[str, Slot] = {}
        self.generation = 0
        self.live: dict[int, FrozenTrial] = {}
        self.failed: dict[int, FrozenTrial] = {}
        self.seen = 0

    @property
    def complete(self) -> bool:
        """Whether all generations are complete."""
        return self.generation == self._generations

    @property
    def finished(self) -> int:
        """The number of candidates with a result."""
        return len(self.records) + sum(trial.state.is_finished() for trial in self.live.values())

    def refresh(self) -> None:
        """Read new trials and changed states."""
        trials = self._store.trials()
        self.seen = len(trials)
        while not self.complete:
            self._sort(trials[self._start :])
            done = [t for _, t in sorted(self.live.items()) if t.state.is_finished()]
            if len(done) < self._population:
                return
            for trial in done:
                self.first.setdefault(trial.user_attrs["genome"], slot(trial))
                self.records.append(record(trial, self._space))
            self.generation += 1
            self.live, self.failed = {}, {}
            self._start = max(trial.number for trial in done) + 1

    def _sort(self, trials: list[FrozenTrial]) -> None:
        from optuna.trial import TrialState

        self.live, self.failed = {}, {}
        for trial in trials:
            generation, index = slot(trial)
            if generation > self.generation:
                break
            (self.failed if trial.state is TrialState.FAIL else self.live)[index] = trial
        self.failed = {index: trial for index, trial in self.failed.items() if index not in self.live}
