"""Many trials in one transaction, where optuna's storage takes several for each.

The tables and their columns are optuna's, of the version that its storage checks when it is opened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from sqlalchemy.engine import Connection


def insert_trials(
    connection: Connection, study_id: int, templates: Sequence[FrozenTrial], *, expected: int
) -> bool:
    """Add trials that wait; none, and False, where the study has other than ``expected`` trials."""
    from optuna.distributions import distribution_to_json
    from optuna.storages._rdb.models import StudyModel, TrialModel, TrialParamModel, TrialUserAttributeModel
    from sqlalchemy import func, insert, select

    connection.execute(select(StudyModel.study_id).where(StudyModel.study_id == study_id).with_for_update())
    count = select(func.count()).where(TrialModel.study_id == study_id)
    if connection.execute(count).scalar_one() != expected:
        return False
    params: list[dict[str, Any]] = []
    attributes: list[dict[str, Any]] = []
    kinds = templates[0].distributions
    written = {name: distribution_to_json(kind) for name, kind in kinds.items()}
    for number, template in enumerate(templates, start=expected):
        row = insert(TrialModel).values(number=number, study_id=study_id, state=template.state)
        key = connection.execute(row).inserted_primary_key
        assert key is not None
        for name, value in template.params.items():
            params.append(
                {
                    "trial_id": key[0],
                    "param_name": name,
                    "param_value": kinds[name].to_internal_repr(value),
                    "distribution_json": written[name],
                }
            )
        attributes += _attributes(key[0], template.user_attrs)
    connection.execute(insert(TrialParamModel), params)
    connection.execute(insert(TrialUserAttributeModel), attributes)
    return True


def start_trials(connection: Connection, trials: Sequence[FrozenTrial]) -> None:
    """Set those running that wait."""
    from optuna.storages._rdb.models import TrialModel
    from optuna.trial import TrialState
    from sqlalchemy import update

    ids = [trial._trial_id for trial in trials]
    waiting = TrialModel.trial_id.in_(ids) & (TrialModel.state == TrialState.WAITING)
    connection.execute(
        update(TrialModel).where(waiting).values(state=TrialState.RUNNING, datetime_start=_now())
    )


def complete_trials(
    connection: Connection,
    trials: Sequence[FrozenTrial],
    values: Sequence[Sequence[float]],
    attributes: Sequence[dict[str, Any]],
) -> set[int]:
    """Complete those that have not ended; the numbers of these."""
    from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel, TrialValueModel
    from optuna.trial import TrialState
    from sqlalchemy import insert, select, update

    ids = [trial._trial_id for trial in trials]
    unfinished = TrialModel.trial_id.in_(ids) & TrialModel.state.in_([TrialState.WAITING, TrialState.RUNNING])
    open_ids = set(
        connection.execute(select(TrialModel.trial_id).where(unfinished).with_for_update()).scalars()
    )
    if not open_ids:
        return set()
    results: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []
    for trial_id, own, named in zip(ids, values, attributes, strict=True):
        if trial_id in open_ids:
            written += _attributes(trial_id, named)
            for objective, value in enumerate(own):
                stored, kind = TrialValueModel.value_to_stored_repr(value)
                results.append(
                    {"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind}
                )
    connection.execute(insert(TrialValueModel), results)
    connection.execute(insert(TrialUserAttributeModel), written)
    connection.execute(
        update(TrialModel)
        .where(TrialModel.trial_id.in_(open_ids))
        .values(state=TrialState.COMPLETE, datetime_complete=_now())
    )
    return {trial.number for trial in trials if trial._trial_id in open_ids}


def _attributes(trial_id: int, named: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"trial_id": trial_id, "key": k, "value_json": json.dumps(v)} for k, v in named.items()]


def _now() -> datetime:
    """As the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)
