"""The one file that depends on private names of Optuna: bulk access to the tables of its storage.

Optuna's public calls need several transactions for each trial; here a generation takes one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import InMemoryStorage, RDBStorage
    from optuna.trial import FrozenTrial
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

SCHEMAS = frozenset({"v3.2.0.a"})
"""Versions of Optuna's schema that the statements below were written for."""

_log = logging.getLogger(__name__)


def open_tables(storage: RDBStorage | InMemoryStorage, study_id: int) -> OptunaTables | None:
    """Return the tables of a storage; None where it has none, or has them in a version that is not known."""
    from optuna.storages import RDBStorage

    if not isinstance(storage, RDBStorage):
        return None
    version = storage.get_current_version()
    if version not in SCHEMAS:
        _log.warning(
            "Optuna's storage has schema %s, and the search knows %s: trials are written one by one",
            version,
            ", ".join(sorted(SCHEMAS)),
        )
        return None
    return OptunaTables(storage, study_id)


class OptunaTables:
    """The rows of one study in the tables of Optuna's relational storage.

    Args:
        storage: Storage with a schema of `SCHEMAS`.
        study_id: Id of the study.
    """

    def __init__(self, storage: RDBStorage, study_id: int) -> None:
        from optuna.storages._rdb import models

        self._storage, self._study_id, self._models = storage, study_id, models

    def insert(self, templates: Sequence[FrozenTrial], *, expected: int) -> bool:
        """Add waiting trials; none, and False, unless the study has exactly ``expected`` trials."""
        from optuna.distributions import distribution_to_json
        from sqlalchemy import func, insert, select

        study, trial = self._models.StudyModel, self._models.TrialModel
        params: list[dict[str, Any]] = []
        attributes: list[dict[str, Any]] = []
        distributions = templates[0].distributions
        written = {name: distribution_to_json(kind) for name, kind in distributions.items()}
        with self._begin() as connection:
            lock = select(study.study_id).where(study.study_id == self._study_id).with_for_update()
            connection.execute(lock)
            count = select(func.count()).where(trial.study_id == self._study_id)
            if connection.execute(count).scalar_one() != expected:
                return False
            for number, template in enumerate(templates, start=expected):
                row = insert(trial).values(number=number, study_id=self._study_id, state=template.state)
                key = connection.execute(row).inserted_primary_key
                assert key is not None
                params += [
                    {
                        "trial_id": key[0],
                        "param_name": name,
                        "param_value": distributions[name].to_internal_repr(value),
                        "distribution_json": written[name],
                    }
                    for name, value in template.params.items()
                ]
                attributes += _attributes(key[0], template.user_attrs)
            connection.execute(insert(self._models.TrialParamModel), params)
            connection.execute(insert(self._models.TrialUserAttributeModel), attributes)
        return True

    def count_complete(self) -> int:
        """Count the complete trials."""
        from optuna.trial import TrialState
        from sqlalchemy import func, select

        trial = self._models.TrialModel
        complete = (trial.study_id == self._study_id) & (trial.state == TrialState.COMPLETE)
        with self._begin() as connection:
            return int(connection.execute(select(func.count()).where(complete)).scalar_one())

    def start(self, trials: Sequence[FrozenTrial]) -> None:
        """Set the waiting ones of these trials running."""
        from optuna.trial import TrialState
        from sqlalchemy import update

        trial = self._models.TrialModel
        waiting = self._rows(trials) & (trial.state == TrialState.WAITING)
        values = {"state": TrialState.RUNNING, "datetime_start": _now()}
        with self._begin() as connection:
            connection.execute(update(trial).where(waiting).values(values))

    def complete(
        self,
        trials: Sequence[FrozenTrial],
        values: Sequence[Sequence[float]],
        attributes: Sequence[Mapping[str, Any]],
    ) -> set[int]:
        """Complete the unfinished ones of these trials and return their numbers."""
        from optuna.trial import TrialState
        from sqlalchemy import insert, select, update

        trial, value_row = self._models.TrialModel, self._models.TrialValueModel
        unfinished = self._rows(trials) & trial.state.in_([TrialState.WAITING, TrialState.RUNNING])
        results: list[dict[str, Any]] = []
        written: list[dict[str, Any]] = []
        with self._begin() as connection:
            rows = connection.execute(
                select(trial.number, trial.trial_id).where(unfinished).with_for_update()
            ).all()
            ids: dict[int, int] = {row.number: row.trial_id for row in rows}
            if not ids:
                return set()
            for template, values_of_trial, named in zip(trials, values, attributes, strict=True):
                if template.number in ids:
                    trial_id = ids[template.number]
                    written += _attributes(trial_id, named)
                    for objective, value in enumerate(values_of_trial):
                        stored, kind = value_row.value_to_stored_repr(value)
                        results.append(
                            {
                                "trial_id": trial_id,
                                "objective": objective,
                                "value": stored,
                                "value_type": kind,
                            }
                        )
            connection.execute(insert(value_row), results)
            connection.execute(insert(self._models.TrialUserAttributeModel), written)
            finished = {"state": TrialState.COMPLETE, "datetime_complete": _now()}
            connection.execute(update(trial).where(trial.trial_id.in_(ids.values())).values(finished))
        return set(ids)

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._storage.engine.begin()

    def _rows(self, trials: Sequence[FrozenTrial]) -> ColumnElement[bool]:
        row = self._models.TrialModel
        return (row.study_id == self._study_id) & row.number.in_([trial.number for trial in trials])


def _attributes(trial_id: int, named: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"trial_id": trial_id, "key": k, "value_json": json.dumps(v)} for k, v in named.items()]


def _now() -> datetime:
    """Return the time as the tables keep it: UTC without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
