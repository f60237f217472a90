"""Claims of workers on slices of a generation, and their heartbeats."""

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

    The worker that sets the first unfinished trial running owns the slice: that trial is its lock. Results
    are stored all at once, so a slice belongs to one worker until it is complete.

    Args:
        slice: Number of the slice; None for the copies.
        trials: All trials of the slice, in the order of the slots; complete ones too, so that the same
            candidates are always trained together, whatever happened to earlier attempts.
        todo: Unfinished trials; the first one is the lock.
    """

    slice: int | None
    trials: Sequence[FrozenTrial]
    todo: Sequence[FrozenTrial]

    @property
    def lock(self) -> FrozenTrial:
        """The trial whose owner has the slice."""
        return self.todo[0]


def claim(store: Store, live: Mapping[int, FrozenTrial]) -> Claim | None:
    """Take the first waiting slice of a generation; return None if all are taken.

    Copies come last, as their original may be in the same generation.
    """
    from optuna.trial import TrialState

    slices: dict[int | None, list[FrozenTrial]] = {}
    for _, trial in sorted(live.items()):
        slices.setdefault(trial.user_attrs.get("slice"), []).append(trial)
    todo = {k: [t for t in trials if t.state is not TrialState.COMPLETE] for k, trials in slices.items()}
    trained = not any(unfinished for k, unfinished in todo.items() if k is not None)
    for k, unfinished in todo.items():
        if not unfinished or unfinished[0].state is not TrialState.WAITING or (k is None and not trained):
            continue
        if store.take(unfinished[0]):
            store.run(unfinished[1:])
            return Claim(k, slices[k], unfinished)
    return None


@contextmanager
def heartbeats(store: Store, trial: FrozenTrial, every_s: float) -> Iterator[None]:
    """Record heartbeats of this worker in a thread, as long as the context lasts."""
    stop = Event()

    def beat() -> None:
        while not stop.wait(every_s):
            try:
                with storage_errors(store.url):
                    store.beat(trial)
            except OSError as error:  # the next one may succeed; storing results fails openly if not
                _log.warning("a heartbeat was lost: %s", error)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
