"""How workers share a generation: each takes a slice that nobody has, and says that it lives."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

from sennit.search.study.connection import storage_errors
from sennit.search.study.storage import Store

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """A slice of a generation that this worker has taken, or the copies of a generation.

    Who sets the first unfinished trial running owns the slice: that trial is its lock. Results are told all
    at once, so a slice is one worker's until it is complete.

    Args:
        slice: Its number; None for the copies.
        trials: All of it, in the order of the slots; also those that are complete, so that a slice is
            trained together with the same candidates whatever became of earlier attempts.
        todo: Those that were not complete; the first one is the lock.
    """

    slice: int | None
    trials: Sequence[FrozenTrial]
    todo: Sequence[FrozenTrial]

    @property
    def lock(self) -> FrozenTrial:
        """The trial whose owner has the slice."""
        return self.todo[0]


def claim(store: Store, live: Mapping[int, FrozenTrial]) -> Claim | None:
    """Take the first slice of a generation that waits; None where all have been taken.

    Copies are taken when all else is complete, as some may be of a candidate of the same generation.
    """
    from optuna.trial import TrialState

    parts: dict[int | None, list[FrozenTrial]] = {}
    for _, trial in sorted(live.items()):
        parts.setdefault(trial.user_attrs.get("slice"), []).append(trial)
    todo = {k: [t for t in trials if t.state is not TrialState.COMPLETE] for k, trials in parts.items()}
    trained = not any(unfinished for k, unfinished in todo.items() if k is not None)
    for k, unfinished in todo.items():
        if not unfinished or unfinished[0].state is not TrialState.WAITING or (k is None and not trained):
            continue
        if store.take(unfinished[0]):
            store.run(unfinished[1:])
            return Claim(k, parts[k], unfinished)
    return None


@contextmanager
def heartbeats(store: Store, trial: FrozenTrial, every_s: float) -> Iterator[None]:
    """Say again and again that this worker lives, in a thread of its own."""
    stop = Event()

    def beat() -> None:
        while not stop.wait(every_s):
            try:
                with storage_errors(store.url):
                    store.beat(trial)
            except OSError as error:  # the next one may get through; what is told later will not hide it
                _log.warning("a heartbeat was lost: %s", error)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
