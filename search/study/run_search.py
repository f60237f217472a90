"""A whole search over a new or an existing study."""

from __future__ import annotations

import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Literal

from sennit.disk_faults import make_folder
from sennit.fusion.cell.genome import Genome
from sennit.search.evaluator import Evaluator
from sennit.search.records import Record
from sennit.search.strategies._base import Strategy
from sennit.search.study.connection import MEMORY, sqlite_url, storage_errors
from sennit.search.study.history import History
from sennit.search.study.processes import run_processes
from sennit.search.study.progress import SearchProgress
from sennit.search.study.ray import run_ray
from sennit.search.study.settings import begin, check_counts, check_names, settings_of
from sennit.search.study.storage import Store
from sennit.search.study.trials import retry
from sennit.search.study.worker import Job, Worker


def run_search(
    evaluator: Evaluator,
    strategy: Strategy,
    *,
    folder: Path,
    name: str,
    generations: int,
    population: int,
    objectives: Sequence[str] = ("error", "parameters"),
    budgets: Mapping[str, float] | None = None,
    workers: int = 1,
    storage: str | None = None,
    seed: int = 0,
    heartbeat_s: float = 5.0,
    progress: bool = True,
    launcher: Literal["processes", "ray"] = "processes",
    start: Sequence[Genome] = (),
    time_limit: float | None = None,
) -> list[Record]:
    """Propose, train and record generation after generation; an earlier call's results are kept.

    The study is an ordinary one of Optuna with a trial for each candidate, which optuna-dashboard can open.
    Several calls can work on it at once, on several machines if the storage is a server. Nothing is lost
    when a worker is killed: after three missed heartbeats others take over its claim.

    Args:
        evaluator: Evaluator that trains the candidates.
        strategy: Strategy that proposes them.
        folder: Folder for the study and the checkpoints of unfinished trainings.
        name: Name of the study.
        generations: Number of generations; a later call may ask for more.
        population: Number of candidates in a generation.
        objectives: Names of the values to minimise: ``"error"`` (the mean over tasks), ``"error/<task>"``,
            or costs.
        budgets: Upper limits of costs, by name; no candidate above a limit is proposed.
        workers: Number of workers side by side. In the call that starts a study it is also the number of
            slices of a generation; the candidates of a slice are trained together.
        storage: ``study.db`` in the folder by default; ``"memory"``, for one worker; or an address, such as
            ``postgresql+psycopg://user@host/database``.
        seed: Random seed of all proposals.
        heartbeat_s: Seconds between the heartbeats of a worker.
        progress: Whether to show a progress bar.
        launcher: ``"processes"`` on this machine, or ``"ray"`` tasks.
        start: Genomes that the first generation begins with.
        time_limit: Seconds after which this call begins no further generation; the first is always trained.

    Returns:
        Every candidate of the complete generations, in the order of the slots.

    Raises:
        ValueError: An argument is out of range, or differs from the settings of the study.
        OSError: The storage cannot be used.
        RuntimeError: A worker failed.
    """
    check_counts(generations=generations, population=population, workers=workers, heartbeat_s=heartbeat_s)
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            f"`name` should consist of letters, digits, '.', '_' and '-', like a file name. Found {name!r}."
        )
    if launcher not in ("processes", "ray"):
        raise ValueError(f"`launcher` should be 'processes' or 'ray'. Found {launcher!r}.")
    if storage == MEMORY and (workers > 1 or launcher == "ray"):
        raise ValueError("`storage='memory'` is for one worker in this process. Leave it out to use a file.")
    limits = dict(budgets or {})
    check_names(evaluator, objectives, limits)
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"`time_limit` should be above 0 seconds, or None. Found {time_limit}.")
    settings = settings_of(evaluator, strategy, objectives, limits, population, seed, start)
    make_folder(folder)
    url = storage or sqlite_url(folder / "study.db")
    with (
        storage_errors(url),
        closing(Store(url, name, objectives=objectives, heartbeat_s=heartbeat_s)) as store,
    ):
        job = Job(
            evaluator=evaluator,
            strategy=strategy,
            url=url,
            name=name,
            checkpoints=folder / "claims" / name,
            generations=generations,
            population=population,
            objectives=tuple(objectives),
            budgets=limits,
            slices=begin(store, settings, workers),
            seed=seed,
            heartbeat_s=heartbeat_s,
            start=tuple(start),
            deadline=math.inf if time_limit is None else time.time() + time_limit,
        )
        history = job.history(store)
        lock = folder / f".{name}.lock"
        # A server may have workers elsewhere, known by their heartbeats alone.
        with _at_work(lock, alone=partial(_release, store, history)) if storage is None else nullcontext():
            _retry(store, history)
            _run(job, store, history, workers=workers, launcher=launcher, progress=progress)
        shutil.rmtree(job.checkpoints, ignore_errors=True)  # left by workers that were killed
        return history.records


def _run(job: Job, store: Store, history: History, *, workers: int, launcher: str, progress: bool) -> None:
    with SearchProgress(job.name, job.generations * job.population, shown=progress) as shown:
        shown(history)
        try:
            if launcher == "ray":
                run_ray(job, store, history, workers, shown)
            elif workers > 1:
                run_processes(job, store, history, workers, shown, shown.say)
            else:
                Worker(job, store, history, shown).run()
        except KeyboardInterrupt:
            shown.say("interrupted; the same call resumes from here")
            raise


def _release(store: Store, history: History) -> None:
    """Set trials waiting that still appear to run although their worker has ended."""
    from optuna.trial import TrialState

    history.refresh()
    for trial in history.live.values():
        if trial.state is TrialState.RUNNING:
            store.give_back(trial)


def _retry(store: Store, history: History) -> None:
    """Append the failed trials of an earlier call once more."""
    history.refresh()
    if history.failed:
        store.append([retry(trial) for trial in history.failed.values()], expected=history.seen)


@contextmanager
def _at_work(path: Path, *, alone: Callable[[], None]) -> Iterator[None]:
    """Call ``alone`` if no other search on this machine is in such a context for the same file.

    So a search that was killed resumes at once, without waiting for missed heartbeats.
    """
    if sys.platform == "win32":  # where only heartbeats show that a worker lives
        yield
        return
    import fcntl

    with path.open("w") as file:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
