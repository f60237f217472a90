"""Ridge regressions and boosted trees, with which the sharings are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sennit.recipes.school.data import BANDS, YEARS, School, explained_variance, inner_split

_PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_MIXED = tuple((penalty, share) for penalty in (5.0, 10.0, 20.0) for share in (0.2, 0.4))
_TREES = (25, 50, 100, 200)


@dataclass(frozen=True)
class Reference:
    """A regression with one setting to choose.

    Attributes:
        predict: Function from the data, rows to fit on, rows to predict and the setting to predictions.
        settings: Candidates, among which the validation pupils choose.
    """

    predict: Callable[[School, np.ndarray, np.ndarray, Any], np.ndarray]
    settings: Sequence[Any]


def _ridge(penalty: float) -> Any:
    return make_pipeline(StandardScaler(), Ridge(penalty))


def _per_school(data: School, fit: np.ndarray, rows: np.ndarray, penalty: float) -> np.ndarray:
    predicted = np.zeros(len(rows))
    for number in range(len(data.names)):
        pupils, asked = fit[data.school[fit] == number], data.school[rows] == number
        model = _ridge(penalty).fit(data.x[pupils], data.score[pupils])
        if asked.any():
            predicted[asked] = model.predict(data.x[rows[asked]])
    return predicted


def _pooled(data: School, fit: np.ndarray, rows: np.ndarray, penalty: float) -> np.ndarray:
    return np.asarray(_ridge(penalty).fit(data.x[fit], data.score[fit]).predict(data.x[rows]))


def _with_intercepts(data: School, fit: np.ndarray, rows: np.ndarray, penalty: float) -> np.ndarray:
    scaler, schools = StandardScaler().fit(data.x[fit]), np.eye(len(data.names))

    def features(pupils: np.ndarray) -> np.ndarray:
        return np.hstack([scaler.transform(data.x[pupils]), schools[data.school[pupils]]])

    return np.asarray(Ridge(penalty).fit(features(fit), data.score[fit]).predict(features(rows)))


def _on_roots(data: School, fit: np.ndarray, rows: np.ndarray, penalty: float) -> np.ndarray:
    roots = replace(data, score=np.sqrt(data.score))
    variance = np.square(_with_intercepts(roots, fit, fit, penalty) - roots.score[fit]).mean()
    return np.asarray(_with_intercepts(roots, fit, rows, penalty) ** 2 + variance)


def _mixed(data: School, fit: np.ndarray, rows: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    """Predict by a ridge on roots with effects of the school, its years and its verbal reasoning bands."""
    penalty, share = setting
    roots, scaler = np.sqrt(data.score), StandardScaler().fit(data.x[fit])
    schools = np.eye(len(data.names), dtype=np.float32)

    def features(pupils: np.ndarray) -> np.ndarray:
        x, school = scaler.transform(data.x[pupils]), schools[data.school[pupils]]
        years, bands = (
            share * (school[:, :, None] * varies[:, None]).reshape(len(pupils), -1)
            for varies in (data.x[pupils][:, YEARS], x[:, BANDS])
        )
        return np.hstack([x / 2, school, years, bands])

    model = Ridge(penalty).fit(features(fit), roots[fit])
    variance = np.square(model.predict(features(fit)) - roots[fit]).mean()
    return np.asarray(model.predict(features(rows)) ** 2 + variance)


def _trees(data: School, fit: np.ndarray, rows: np.ndarray, trees: int) -> np.ndarray:
    model = HistGradientBoostingRegressor(
        max_iter=trees, learning_rate=0.05, max_leaf_nodes=8, random_state=0
    )
    return np.asarray(model.fit(data.x[fit], data.score[fit]).predict(data.x[rows]))


REFERENCES = {
    "a ridge per school": Reference(_per_school, _PENALTIES),
    "pooled ridge": Reference(_pooled, _PENALTIES),
    "pooled ridge, school intercepts": Reference(_with_intercepts, _PENALTIES),
    "the same, of the root of the score": Reference(_on_roots, _PENALTIES),
    "the same, with years and bands of schools": Reference(_mixed, _MIXED),
    "boosted trees, without school": Reference(_trees, _TREES),
}


def run_reference(name: str, data: School, train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the explained variance on the test pupils, and the setting chosen on validation pupils."""
    reference = REFERENCES[name]
    fit, check = inner_split(data, train, seed)
    scores = [
        explained_variance(reference.predict(data, fit, check, setting), data.score[check])
        for setting in reference.settings
    ]
    setting = reference.settings[int(np.argmax(scores))]
    score = explained_variance(reference.predict(data, train, test, setting), data.score[test])
    return {"tasks": {"exam": {"score": score}}, "chosen": {"setting": setting}}
