"""A study over whole trainings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from sennit.disk_faults import make_folder
from sennit.processes import end_with_parent
from sennit.search.study.connection import experimental, open_storage, quiet, sqlite_url, storage_errors
from sennit.search.training.choices import Choices, TrainingSpace
from sennit.search.training.result import TrainingResult, TrialResult
from sennit.search.training.trial_report import TrialReport

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

Objective = Callable[[Choices, TrialReport], float]
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
_HOPELESS = 3  # failures after which a study without any other trial gives up
_HEARTBEAT_S = 5.0


def search_training(
    objective: Objective,
    space: TrainingSpace,
    *,
    folder: str | Path,
    name: str = "training",
    trials: int = 30,
    timeout: float | None = None,
    workers: int = 1,
    storage: str | None = None,
    mode: Literal["max", "min"] = "max",
    prune_from: int | None = None,
    seed: int = 0,
) -> TrainingResult:
    """Train again and again with other choices, and stop trainings that are worse than the median.

    Choices are proposed by a tree-structured Parzen estimator. The study lies beside those of `search`, in
    the same storage, and the same call resumes it: trainings that ended count, one that was killed does not.
    A training that fails is counted, with its error, and others follow.
    Source: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization" (§4); Akiba et al. 2019,
    "Optuna: A Next-generation Hyperparameter Optimization Framework" (§3.2).

    Args:
        objective: Function from the choices and a report to the value of a training. It calls
            ``report(epoch, value)`` after each epoch, and returns when that is true. With several workers it
            can be pickled.
        space: Range of each choice, by name.
        folder: Folder of the study.
        name: Name of the study.
        trials: Number of trainings in all; a later call may ask for more.
        timeout: Seconds after which this call begins no further training.
        workers: Number of trainings side by side, each in a process.
        storage: ``study.db`` in the folder by default, or an address as in `search`.
        mode: Whether the best value is the ``"max"`` or the ``"min"``.
        prune_from: Epoch from which trainings may be pruned; None never prunes. While the learning rate is
            high, the order of trainings says little about their end: give half of the epochs or more.
        seed: Random seed of the proposals.

    Raises:
        ValueError: An argument is out of range, or the study in the folder has other choices.
        RuntimeError: The first trainings failed, all of them.
        OSError: The storage cannot be read or written.

    Example:
        >>> import tempfile
        >>> from sennit.search.training import Between
        >>> def objective(choices, report):
        ...     return -(choices["x"] - 2) ** 2
        >>> space = {"x": Between(0.0, 4.0)}
        >>> result = search_training(objective, space, folder=tempfile.mkdtemp(), trials=12)
        >>> len(result.trials), abs(result.best.choices["x"] - 2) < 1
        (12, True)
    """
    for argument, value in (("trials", trials), ("workers", workers)):
        if value < 1:
            raise ValueError(f"`{argument}` should be 1 or more. Found {value}.")
    if mode not in ("max", "min") or not space:
        raise ValueError(
            f"`mode` should be 'max' or 'min', and `space` hold a choice. Found {mode!r}, {space!r}."
        )
    make_folder(Path(folder))
    job = _Job(
        objective,
        dict(space),
        storage or sqlite_url(Path(folder) / "study.db"),
        name,
        mode,
        trials,
        None if timeout is None else time.time() + timeout,
        prune_from,
        seed,
    )
    with storage_errors(job.url):
        study = job.open(0)
        job.check(study)
        if workers > 1:
            context, threads = get_context("spawn"), max(1, torch.get_num_threads() // workers)
            processes = [context.Process(target=_work, args=(job, i, threads)) for i in range(1, workers + 1)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
        job.run(study)  # what is left, where a process was killed
        return job.result(study)


@dataclass(frozen=True)
class _Job:
    """Settings of a study, for each of its workers."""

    objective: Objective
    space: TrainingSpace
    url: str
    name: str
    mode: str
    trials: int
    until: float | None
    prune_from: int | None
    seed: int

    def open(self, worker: int) -> Study:
        import optuna
        from optuna.pruners import MedianPruner, NopPruner
        from optuna.samplers import TPESampler
        from optuna.study import StudyDirection

        direction = StudyDirection.MAXIMIZE if self.mode == "max" else StudyDirection.MINIMIZE
        never = self.prune_from is None
        pruner = NopPruner() if never else MedianPruner(n_warmup_steps=self.prune_from or 0)
        with quiet():
            study = optuna.create_study(
                storage=open_storage(self.url, _HEARTBEAT_S),
                study_name=self.name,
                direction=direction,
                load_if_exists=True,
                pruner=pruner,
            )
        # A resumed study does not draw what it has drawn before.
        study.sampler = TPESampler(seed=self.seed + 1000 * worker + len(study.trials))
        return study

    def check(self, study: Study) -> None:
        """Store the settings of a new study, or check those of an old one."""
        space = {choice: {type(kind).__name__: asdict(kind)} for choice, kind in self.space.items()}
        settings: dict[str, Any] = json.loads(json.dumps({"space": space, "mode": self.mode}))
        stored = study.user_attrs.get("training")
        if stored is None:
            study.set_user_attr("training", settings)
        elif stored != settings:
            differs = [key for key in settings if stored.get(key) != settings[key]]
            raise ValueError(
                f"study '{self.name}' was started with other settings: {', '.join(differs)}. Resume with the "
                f"former, {stored}, or give the new study another name or folder."
            )

    def run(self, study: Study) -> None:
        """Train until the study is complete or the time is over."""
        from optuna.storages import fail_stale_trials

        while self.until is None or time.time() < self.until:
            with experimental(), quiet():
                fail_stale_trials(study)
                states = [_state(trial) for trial in study.trials]
                failed = states.count("failed")
                if failed >= _HOPELESS and failed == len([s for s in states if s != "killed"]):
                    error = next(t.error for t in self.result(study).trials)
                    raise RuntimeError(f"the first {failed} trainings failed: {error}")
                if len([s for s in states if s != "killed"]) >= self.trials:
                    return
                study.optimize(self._train, n_trials=1, catch=(Exception,))

    def _train(self, trial: Trial) -> float:
        import optuna

        report = TrialReport(trial)
        choices = {choice: kind.suggest(trial, choice) for choice, kind in self.space.items()}
        try:
            value = self.objective(choices, report)
        except Exception as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            raise
        if report.pruned:
            raise optuna.TrialPruned
        return value

    def result(self, study: Study) -> TrainingResult:
        ended = [
            TrialResult(
                trial.number,
                dict(trial.params),
                _state(trial),
                trial.value if trial.value is not None else _last(trial.intermediate_values),
                len(trial.intermediate_values),
                trial.duration.total_seconds() if trial.duration else 0.0,
                trial.user_attrs.get("error"),
            )
            for trial in study.trials
            if _state(trial) in _STATES.values()
        ]
        return TrainingResult(ended, self.mode)


def _state(trial: Any) -> str:
    """Return a word for the state of a trial; one that failed without an error was killed."""
    if trial.state.name == "FAIL" and "error" not in trial.user_attrs:
        return "killed"
    return _STATES.get(trial.state.name, "running")


def _last(values: dict[int, float]) -> float | None:
    return values[max(values)] if values else None


def _work(job: _Job, worker: int, threads: int) -> None:
    torch.set_num_threads(threads)
    end_with_parent()
    with storage_errors(job.url):
        job.run(job.open(worker))
