"""Where the trials of a search are kept: optuna's storage, in memory, in a file or on a server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sennit.search.study.connection import experimental, open_storage, quiet, storage_errors
from sennit.search.study.optuna_tables import complete_trials, insert_trials, start_trials

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from sqlalchemy.engine import Engine


class Store:
    """One study and the storage that it is in: all that a search knows of how optuna keeps trials.

    Args:
        url: ``"memory"``, or an address as SQLAlchemy reads it: ``sqlite:///study.db``,
            ``postgresql+psycopg://user@host/database``.
        name: Of the study; it is made where there is none.
        objectives: Names of the values, all to be made small.
        heartbeat_s: Seconds between the heartbeats of a worker.

    Raises:
        ValueError: No address, of no known kind, or of a file that is no database.
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
            if self.study.metric_names is None:
                with experimental():
                    self.study.set_metric_names(list(objectives))

    @property
    def settings(self) -> dict[str, Any] | None:
        """What the study was begun with; None where nobody has said yet."""
        return self.study.user_attrs.get("settings")

    def begin(self, settings: dict[str, Any]) -> None:
        """Keep what the study is begun with."""
        self.study.set_user_attr("settings", settings)

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number; only those that may have changed are read again."""
        return self.study.get_trials(deepcopy=False)

    def append(self, templates: Sequence[FrozenTrial], *, expected: int) -> bool:
        """Add waiting trials, all or none: none where there are other than ``expected`` trials already.

        So nobody who acts on what he has read can add what another one has added meanwhile.
        """
        if self._engine is not None:
            with self._engine.begin() as connection:
                return insert_trials(connection, self._id, templates, expected=expected)
        for template in templates:
            self._storage.create_new_trial(self._id, template)
        return True

    def completed(self) -> int:
        """How many trials are complete; cheaper than reading them."""
        from optuna.trial import TrialState

        if self._engine is None:
            return len(self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))
        from optuna.storages._rdb.models import TrialModel
        from sqlalchemy import func, select

        done = (TrialModel.study_id == self._id) & (TrialModel.state == TrialState.COMPLETE)
        with self._engine.begin() as connection:
            return int(connection.execute(select(func.count()).where(done)).scalar_one())

    def take(self, trial: FrozenTrial) -> bool:
        """Set a waiting trial running; False where another one was faster."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        self.beat(trial)  # first: one that never had a heartbeat would never be taken to be dead
        try:
            return self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def beat(self, trial: FrozenTrial) -> None:
        """Say that a worker is alive that has taken a trial."""
        if self._engine is not None:
            self._storage.record_heartbeat(trial._trial_id)  # type: ignore[union-attr]

    def run(self, trials: Sequence[FrozenTrial]) -> None:
        """Show trials as running."""
        if self._engine is not None:
            with self._engine.begin() as connection:
                start_trials(connection, trials)
        else:
            for trial in trials:
                self._set(trial, "RUNNING")

    def give_back(self, trial: FrozenTrial) -> None:
        """Set a trial waiting again."""
        self._set(trial, "WAITING")

    def fail(self, trial: FrozenTrial, error: str) -> None:
        """Set a trial failed, and say why."""
        self._set(trial, "FAIL", error=error)

    def complete(
        self,
        trials: Sequence[FrozenTrial],
        values: Sequence[Sequence[float]],
        evaluations: Sequence[dict[str, Any]],
    ) -> set[int]:
        """Keep the results of trials, all at once; the numbers of those that had not ended already."""
        attributes = [{"evaluation": evaluation} for evaluation in evaluations]
        if self._engine is not None:
            with self._engine.begin() as connection:
                return complete_trials(connection, trials, values, attributes)
        for trial, own, named in zip(trials, values, attributes, strict=True):
            self._set(trial, "COMPLETE", own, **named)
        return {trial.number for trial in trials}

    def sweep(self) -> None:
        """Fail the trials whose workers gave no heartbeat for the grace period."""
        import optuna

        with experimental():
            optuna.storages.fail_stale_trials(self.study)

    def close(self) -> None:
        """Let go of the file or the server."""
        if self._engine is not None:
            self._storage.remove_session()
            self._engine.dispose()

    def _set(
        self, trial: FrozenTrial, state: str, values: Sequence[float] | None = None, /, **attributes: Any
    ) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            for key, value in attributes.items():
                self._storage.set_trial_user_attr(trial._trial_id, key, value)
            return self._storage.set_trial_state_values(trial._trial_id, TrialState[state], values)
        except UpdateFinishedTrialError:
            return False

    @property
    def _engine(self) -> Engine | None:
        return getattr(self._storage, "engine", None)
