"""Base of the estimator of tables: names, classes and the values of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sennit.data.names import plain_number
from sennit.recipes.table.answers import answer_columns
from sennit.recipes.table.frames import array_of, rows_of, with_targets
from sennit.recipes.table.guess import reason_lines
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema, read_schema
from sennit.recipes.table.schema.splits import GroupSplit, RandomSplit
from sennit.recipes.table.schema.targets import ClassTarget, Target
from sennit.recipes.table.trained import Answers, TrainedTable
from sennit.registry import check_names


class TableEstimator(BaseEstimator):
    """Base of `TableModel`: its targets by name, and its attributes once it is fitted."""

    targets: str | Sequence[str] | None
    schema: Schema | Mapping[str, Any] | str | Path | None
    trained_: TrainedTable

    def __sklearn_tags__(self) -> Any:
        """Return the tags of scikit-learn: a model of one target is a classifier or a regressor.

        One that is not fitted, and whose schema does not say, counts as a classifier: the folds of
        ``cross_val_score`` and ``GridSearchCV`` are stratified then if ``y`` holds classes, and are not if
        it holds numbers with decimals.
        """
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, TargetTags

        tags = super().__sklearn_tags__()
        tags.input_tags = InputTags(string=True, allow_nan=True)
        tags.target_tags = TargetTags(required=False)
        kind = self._kind()
        if kind == "class":
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        elif kind is not None:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _kind(self) -> str | None:
        """Return the kind of the only target, classes where nothing tells; None of several."""
        if hasattr(self, "trained_"):
            targets = self.schema_.targets
            return next(iter(targets.values())).kind if isinstance(self._named(), str) else None
        declared = {} if self.schema is None else _schema(self.schema).targets
        if isinstance(self.targets, str) and self.targets in declared:
            return declared[self.targets].kind
        return "class" if len(declared) < 2 and isinstance(self.targets, (str, type(None))) else None

    def _declared(self, rows: Rows) -> Schema:
        """Return the schema, given or guessed; no test rows are drawn, as these rows are for the training."""
        self.guess_: list[str] = []
        if self.schema is None:
            guess = guess_schema(rows, target=self._columns)
            self.guess_, schema = list(reason_lines(guess)), guess.schema
        else:
            schema = _schema(self.schema)
        if isinstance(schema.split, (RandomSplit, GroupSplit)):
            return replace(schema, split=replace(schema.split, test=0.0))
        return schema

    def _with_targets(self, rows: Rows, y: Any) -> Rows:
        """Return rows with the columns of the targets, and keep the names of these."""
        names = [self.targets] if isinstance(self.targets, str) else self.targets
        if names is not None and not (
            isinstance(names, Sequence) and names and all(isinstance(n, str) for n in names)
        ):
            raise TypeError(f"`targets` should be the name of a column, or a list of names. Found {names!r}.")
        if names is None and y is not None:
            names = list(getattr(y, "columns", [getattr(y, "name", None) or "target"]))
        declared = {} if self.schema is None else _schema(self.schema).targets
        if names is not None and declared:
            check_names("target", names, declared)
        self._columns = names and [
            column for name in names for column in (declared[name].column_names if declared else [str(name)])
        ]
        return rows if y is None else with_targets(rows, y, self._columns or [])

    def _describe(self, features: Sequence[str], originals: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the attributes that scikit-learn's estimators have."""
        self.schema_ = self.trained_.schema
        self.feature_names_in_, self.n_features_in_ = np.array(features, dtype=object), len(features)
        self._originals = originals
        classes = {
            name: array_of([originals.get(name, {}).get(label, label) for label in _names(target)])
            for name, target in self.schema_.targets.items()
            if _names(target)
        }
        one = isinstance(self._named(), str)
        if classes:
            self.classes_ = next(iter(classes.values())) if one else classes

    def _named(self) -> str | Sequence[str]:
        """Return the targets as they are named: one, or a list."""
        if self.targets is not None:
            return self.targets
        names = list(self.schema_.targets)
        return names[0] if len(names) == 1 else names

    def _answers(self, X: Any) -> Answers:
        check_is_fitted(self, "trained_")
        return self.trained_.predict(self.trained_.rows(rows_of(X)))

    def _values(self, answers: Answers) -> dict[str, list[Any]]:
        """Return a column for each target; classes are the values of the cells that were trained on."""
        columns = answer_columns(self.schema_, answers, probabilities=False)
        for name in self.schema_.targets:
            if "labels" in answers[0][name]:
                columns[name] = [list(answer[name]["labels"]) for answer in answers]
        for name, originals in self._originals.items():
            if originals:
                columns[name] = [originals.get(label, label) for label in columns[name]]
        return columns


def _schema(given: Schema | Mapping[str, Any] | str | Path) -> Schema:
    if isinstance(given, Schema):
        return given
    return Schema.of(given) if isinstance(given, Mapping) else read_schema(given)


def _names(target: Target) -> list[str]:
    """Return the names of a target's classes or labels; none of numbers."""
    spec = target.make_task().target
    return [] if spec is None else list(spec.names or ())


def originals_of(target: Target, rows: Rows) -> dict[str, Any]:
    """Return the cell that each class was in the rows, where that is a plain value."""
    if not isinstance(target, ClassTarget):
        return {}
    cells = [c for c in rows.cells(target.column) if isinstance(c, (str, bool, int, float))]
    originals = {plain_number(str(cell).strip()): cell for cell in reversed(cells)}
    return {name: originals[name] for name in target.classes or [] if name in originals}
