"""The estimator over data frames, and the same model from the shell."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import sennit
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.estimator import TableModel
from tests.recipes.table_files import make_rows

QUICK: dict[str, Any] = {"preset": "fast", "epochs": 8, "batch_size": 16, "width": 16, "lr": 0.01}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return ninety patients: numbers, a category and a text, of which any may be blank, and two targets."""
    rng = np.random.default_rng(0)
    age, ward = rng.normal(size=90), rng.choice(["a", "b"], 90)
    died = (age + 2 * (ward == "b") > 1).astype(int)
    days = pd.Series(3 * age + rng.normal(size=90) * 0.1).mask(rng.random(90) < 0.2)
    frame = pd.DataFrame({"patient_id": [f"P{k}" for k in rng.permutation(90)], "age": age, "ward": ward})
    frame["note"] = [f"{'very ill' if x else 'quite well'} on day {k}" for k, x in enumerate(died)]
    frame["died"], frame["days"] = died, days.to_numpy()
    return frame.set_index(np.arange(90) * 10)


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> TableModel:
    return TableModel(["died", "days"], **QUICK).fit(frame)


def test_a_model_of_several_targets_answers_in_the_frame_that_it_is_asked_with(
    frame: pd.DataFrame, fitted: TableModel
) -> None:
    answers = fitted.predict(frame)
    assert list(answers.columns) == ["died", "days"]
    assert answers.index.equals(frame.index)
    assert set(answers["died"]) == {0, 1}  # the values of the cells, not their names
    assert (answers["died"] == frame["died"]).mean() > 0.8
    assert fitted.score(frame) > 0.6
    shuffled = pl.DataFrame({"other": range(90), **{c: frame[c].tolist() for c in ("note", "ward", "age")}})
    assert fitted.predict(shuffled)["died"].to_list() == answers["died"].tolist()
    mapping = fitted.predict({"age": [0.0], "ward": [None], "note": ["a ward that is new"]})
    assert {name: cells.shape for name, cells in mapping.items()} == {"died": (1,), "days": (1,)}


def test_no_target_and_no_id_is_an_input(fitted: TableModel) -> None:
    assert set(fitted.schema_.input_columns) == {"age", "ward", "note"}
    assert fitted.schema_.id == "patient_id"
    assert list(fitted.feature_names_in_) == ["patient_id", "age", "ward", "note"]
    assert len(fitted.guess_) == 6
    assert fitted.validation_["died"].keys() >= {"accuracy"}


def test_probabilities_sum_to_one_and_the_frame_of_answers_has_them(
    frame: pd.DataFrame, fitted: TableModel
) -> None:
    p = fitted.predict_proba(frame)
    assert p.keys() == {"died"}
    np.testing.assert_allclose(p["died"].sum(1), 1, atol=1e-6)
    answers = fitted.answers(frame)
    assert list(answers.columns) == ["died", "died_probability", "died_p_0", "died_p_1", "days"]
    np.testing.assert_allclose(answers["died_p_1"], p["died"][:, 1])
    chosen = fitted.trained_.decisions["died"].thresholds[0]
    assert ((answers["died_p_1"] > chosen).astype(int) == answers["died"]).all()


def test_an_explanation_names_what_the_answers_rest_on(frame: pd.DataFrame, fitted: TableModel) -> None:
    explanation = fitted.explain(frame)
    assert explanation.keys() == {"died", "days"}
    died = explanation["died"]
    assert died.inputs.keys() == {"note", "table"}
    assert sum(died.inputs.values()) == pytest.approx(1)
    assert next(iter(explanation["days"].columns)) == "age"
    assert set(died.columns) == {"age", "ward", "note"}
    means = [drop.mean for drop in died.columns.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0
    with pytest.raises(ValueError, match=r"an explanation needs rows with labels"):
        fitted.explain(frame.assign(died=None, days=None))


def test_a_saved_model_answers_as_before_also_from_the_shell(
    frame: pd.DataFrame, fitted: TableModel, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    loaded = sennit.TableModel.load(tmp_path / "model")
    assert loaded.predict(frame).equals(fitted.predict(frame))
    assert loaded.targets == ["died", "days"]
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "new.csv", index=False)
    given = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "answers.csv")]
    main(["predict", str(tmp_path / "new.csv"), *given])
    with (tmp_path / "answers.csv").open(newline="") as file:
        lines = {line["patient_id"]: line for line in csv.DictReader(file)}
    days = dict(zip(frame["patient_id"], fitted.predict(frame)["days"], strict=True))
    assert {name: float(line["days"]) for name, line in lines.items()} == pytest.approx(days, rel=1e-4)


def test_scikit_learn_clones_validates_and_searches_it(frame: pd.DataFrame) -> None:
    X, y = frame[["age", "ward"]], frame["died"]
    model = TableModel("died", **{**QUICK, "epochs": 2})
    assert clone(model).get_params() == model.get_params()
    assert len(cross_val_score(model, X, y, cv=2)) == 2
    search = GridSearchCV(model, {"lr": [1e-5, 0.02]}, cv=2, scoring="roc_auc").fit(X, y)
    assert search.best_params_ == {"lr": 0.02}
    presets = GridSearchCV(model, {"preset": ["fast"], "epochs": [1, 2]}, cv=2).fit(X, y)
    assert presets.best_params_.keys() == {"preset", "epochs"}
    best = search.best_estimator_
    assert isinstance(best.predict(X), pd.Series)
    assert best.predict_proba(X).shape == (90, 2)
    assert best.classes_.tolist() == [0, 1]


class Folds(TableModel):
    """A model that only says which rows it was given."""

    shares: ClassVar[list[float]] = []

    def fit(self, X: Any, y: Any = None) -> Self:
        self.shares.append(float(np.mean(np.asarray(y) == np.asarray(y)[0])))
        return self

    def score(self, X: Any, y: Any = None) -> float:
        return 0.0


def test_folds_are_stratified_where_the_target_holds_classes(frame: pd.DataFrame) -> None:
    rare = pd.Series(["no"] * 80 + ["yes"] * 10, index=frame.index)
    cross_val_score(Folds("died"), frame[["age"]], rare, cv=5)
    assert Folds.shares == pytest.approx([80 / 90] * 5)
    numbers = {"kind": "number", "columns": ["days"]}
    schema = {"inputs": {"t": {"kind": "table", "numbers": ["age"]}}, "targets": {"days": numbers}}
    for model in (TableModel("days", schema=schema), TableModel(["died", "days"])):
        assert not is_classifier(model)
    assert is_regressor(TableModel("days", schema=schema))
    assert is_classifier(TableModel("died", preset="fast", epochs=1).fit(frame[["age", "died"]]))
    assert is_regressor(TableModel("days", preset="fast", epochs=1).fit(frame[["age", "days"]].dropna()))


def test_arrays_and_series_are_taken_as_they_are() -> None:
    x = np.random.default_rng(0).normal(size=(80, 2))
    y = 2 * x[:, 0] + x[:, 1]
    model = TableModel(**{**QUICK, "epochs": 12}).fit(x, y)
    assert model.predict(x).shape == (80,)
    assert model.score(x, y) > 0.5
    assert list(model.feature_names_in_) == ["x0", "x1"]
    with pytest.raises(ValueError, match=r"predict_proba needs a target of classes or labels"):
        model.predict_proba(x)


def test_labels_are_lists_and_the_targets_stand_in_their_order(frame: pd.DataFrame) -> None:
    signs = [["tired"] if x else ["tired", "pale"] for x in frame["died"]]
    model = TableModel(["signs", "died"], **{**QUICK, "epochs": 1}).fit(frame.assign(signs=signs))
    answers = model.predict(frame)
    assert list(answers.columns) == ["signs", "died"]
    assert set(map(type, answers["signs"])) == {list}
    assert model.predict_proba(frame)["signs"].shape == (90, 2)


def test_media_are_read_by_path_by_contents_and_as_the_hub_writes_them(tmp_path: Path) -> None:
    rows = make_rows(tmp_path)
    labels = [row["kind"] for row in rows]
    paths = [str(tmp_path / row["photo"]) for row in rows]
    contents = [Path(path).read_bytes() for path in paths]
    hub = [{"bytes": data, "path": None} for data in contents]
    frames = [pd.DataFrame({"photo": cells, "kind": labels}) for cells in (paths, contents, hub)]
    answers = [
        TableModel("kind", **{**QUICK, "epochs": 1}).fit(frame).predict(frame).tolist() for frame in frames
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda f: TableModel("dyed").fit(f), ValueError, r"unknown column 'dyed'. Did you mean 'died'"),
        (lambda f: TableModel("died", preset="quick").fit(f), ValueError, r"unknown preset 'quick'"),
        (lambda f: TableModel("died").fit(f, [1, 2]), ValueError, r"as many rows as X. Found 2 of 'died'"),
        (lambda f: TableModel("died").fit([1, 2]), TypeError, r"X should be a data frame"),
        (
            lambda f: TableModel({"died": 1}).fit(f),
            TypeError,
            r"`targets` should be the name of a column, or a",
        ),
        (lambda f: TableModel("died", time_limit="soon").fit(f), ValueError, r"should be a duration"),
        (lambda f: TableModel.load("nowhere"), FileNotFoundError, r"no model in 'nowhere'"),
        (lambda f: TableModel("died").predict(f), NotFittedError, r"not fitted"),
    ],
)
def test_wrong_use_is_refused_by_name(
    frame: pd.DataFrame, act: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        act(frame)


def test_a_missing_column_is_named(frame: pd.DataFrame, fitted: TableModel) -> None:
    with pytest.raises(ValueError, match=r"lacks a column that inputs.note reads: unknown column 'note'"):
        fitted.predict(frame[["age", "ward"]])
    with pytest.raises(ValueError, match=r"a score needs rows with a label in \['days'\]"):
        fitted.score(frame.assign(days=np.nan))
