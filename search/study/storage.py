"""The store of a search's trials: Optuna's storage in memory, in a file or on a server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sennit.search.study.connection import experimental, open_storage, quiet, storage_errors
from sennit.search.study.optuna_tables import open_tables

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class Store:
    """One study and its storage: the only class of a search that knows how Optuna keeps trials.

    Trials are written in bulk where the tables of the storage are known (see `optuna_tables`), and by
    Optuna's public calls elsewhere. These calls are not atomic: of two workers at the same moment both may
    append a generation, which then trains some candidates twice but gives the same results.

    Args:
        url: ``"memory"``, or an address for SQLAlchemy: ``sqlite:///study.db``,
            ``postgresql+psycopg://user@host/database``.
        name: Name of the study, which is created if it does not exist.
        objectives: Names of the values, all to be minimised.
        heartbeat_s: Seconds between the heartbeats of a worker.

    Raises:
        ValueError: The address is invalid, of an unknown kind, or of a file that is no database.
        OSError: The file cannot be opened, or no server answers.
    """

    def __init__(self, url: str, name: str, *, objectives: Sequence[str], heartbeat_s: float) -> None:
        import optuna
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        self.url, self.name = url, name
        with storage_errors(url):
            self._storage = open_storage(url, heartbeat_s)
            with suppress(DuplicatedStudyError), quiet():
                self._storage.create_new_study([StudyDirection.MINIMIZE] * len(objectives), name)
            self.study: Study = optuna.load_study(study_name=name, storage=self._storage)
            self._id = self._storage.get_study_id_from_name(name)
            self._tables = open_tables(self._storage, self._id)
            if self.study.metric_names is None:
                with experimental():
                    self.study.set_metric_names(list(objectives))

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings that the study was started with; None before that."""
        return self.study.user_attrs.get("settings")

    def begin(self, settings: dict[str, Any]) -> None:
        """Store the settings that the study is started with."""
        self.study.set_user_attr("settings", settings)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials by number; only those that may have changed are read again."""
        return self.study.get_trials(deepcopy=False)

    def append(self, templates: Sequence[FrozenTrial], *, expected: int) -> bool:
        """Add waiting trials; none, and False, unless the study has exactly ``expected`` trials.

        So no worker adds what another worker has added in the meantime.
        """
        if self._tables is not None:
            return self._tables.insert(templates, expected=expected)
        if len(self.trials()) != expected:
            return False
        self.study.add_trials(templates)
        return True

    def completed(self) -> int:
        """Count the complete trials, which is cheaper than reading them."""
        from optuna.trial import TrialState

        if self._tables is not None:
            return self._tables.count_complete()
        return len(self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))

    def take(self, trial: FrozenTrial) -> bool:
        """Set a waiting trial running; return False if another worker has done so."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        self.beat(trial)  # first: a trial that never had a heartbeat would never count as lost
        try:
            return self._storage.set_trial_state_values(self._id_of(trial), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def beat(self, trial: FrozenTrial) -> None:
        """Record a heartbeat of the worker that has taken a trial."""
        from optuna.storages import RDBStorage

        if isinstance(self._storage, RDBStorage):
            self._storage.record_heartbeat(self._id_of(trial))

    def run(self, trials: Sequence[FrozenTrial]) -> None:
        """Set waiting trials running, without taking them."""
        if self._tables is not None:
            self._tables.start(trials)
        else:
            for trial in trials:
                self._set(trial, "RUNNING")

    def give_back(self, trial: FrozenTrial) -> None:
        """Set a trial waiting again."""
        self._set(trial, "WAITING")

    def fail(self, trial: FrozenTrial, error: str) -> None:
        """Set a trial failed, with the reason."""
        self._set(trial, "FAIL", error=error)

    def complete(
        self,
        trials: Sequence[FrozenTrial],
        values: Sequence[Sequence[float]],
        evaluations: Sequence[dict[str, Any]],
    ) -> set[int]:
        """Store the results of trials and return the numbers of those that were not finished already."""
        if self._tables is not None:
            attributes = [{"evaluation": evaluation} for evaluation in evaluations]
            return self._tables.complete(trials, values, attributes)
        # The first trial, which locks the slice, comes last: the slice of a killed worker stays whole.
        results = [*zip(trials, values, evaluations, strict=True)][::-1]
        return {
            trial.number
            for trial, values_of_trial, evaluation in results
            if self._set(trial, "COMPLETE", values_of_trial, evaluation=evaluation)
        }

    def sweep(self) -> None:
        """Fail the trials whose workers gave no heartbeat during the grace period."""
        import optuna

        with experimental():
            optuna.storages.fail_stale_trials(self.study)

    def close(self) -> None:
        """Close the connection to the file or the server."""
        from optuna.storages import RDBStorage

        if isinstance(self._storage, RDBStorage):
            self._storage.remove_session()
            self._storage.engine.dispose()

    def _set(
        self, trial: FrozenTrial, state: str, values: Sequence[float] | None = None, /, **attributes: Any
    ) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        trial_id = self._id_of(trial)
        try:
            for key, value in attributes.items():
                self._storage.set_trial_user_attr(trial_id, key, value)
            return self._storage.set_trial_state_values(trial_id, TrialState[state], values)
        except UpdateFinishedTrialError:
            return False

    def _id_of(self, trial: FrozenTrial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
