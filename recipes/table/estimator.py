"""An estimator of scikit-learn over tables of any kinds of columns."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sennit.data.names import plain_number
from sennit.files import write_json
from sennit.recipes.table.answers import answer_columns
from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import config_of
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.estimator_score import score_of
from sennit.recipes.table.fitting import fit_rows
from sennit.recipes.table.frames import array_of, frame_like, rows_of, series_like, with_targets
from sennit.recipes.table.guess import reason_lines
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema, read_schema
from sennit.recipes.table.schema.splits import GroupSplit, RandomSplit
from sennit.recipes.table.schema.targets import ClassTarget, Target
from sennit.recipes.table.trained import Answers, TrainedTable
from sennit.registry import check_names

_FILE = "estimator.json"


class TableModel(BaseEstimator):
    """A model of a table of pictures, sound, texts, numbers, categories and series, as an estimator.

    It guesses what each column is, trains, and answers for new rows; any cell may be blank, in inputs and in
    targets. Validation rows are drawn from the rows of `fit`: they choose the epoch, the temperature of the
    probabilities and the thresholds. `clone`, ``cross_val_score`` and ``GridSearchCV`` take it.

    Args:
        targets: Column to learn, or several in a list; by default those that are called like a target.
        schema: Meaning of the columns, in place of a guess: a `Schema`, its mapping, or its YAML file.
        preset: ``"fast"``, ``"medium"`` or ``"best"``.
        time_limit: Time of a call of `fit`, such as ``"90s"`` or ``"10m"``; None sets no limit.
        fusion: Name of the fusion; None for the preset's, as all options below.
        epochs: Passes over the training rows.
        batch_size: Rows in each step.
        lr: Peak learning rate.
        width: Embedding size of the fusion.
        seed: Random seed.
        workers: Processes that read files.
        verbose: Whether to print what was guessed, and the remarks of the training.

    Attributes:
        trained_: Model with its schema and decisions.
        schema_: Complete schema.
        guess_: Line for each column: its place in the schema, and the reason.
        classes_: Classes in the order of `predict_proba`; by target where `targets` is a list.
        record_: Record of the training.
        validation_: Metrics of the validation rows, by target and name.
        n_features_in_: Number of columns that are no targets.
        feature_names_in_: Their names.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> size = rng.normal(size=60)
        >>> table = {"size": size, "big": np.where(size > 0, "yes", "no")}
        >>> model = TableModel("big", preset="fast", epochs=20, batch_size=8, width=8).fit(table)
        >>> model.predict({"size": [-2.0, 2.0]}).tolist()
        ['no', 'yes']
        >>> model.predict_proba({"size": [-2.0, 2.0]}).shape
        (2, 2)
    """

    def __init__(
        self,
        targets: str | Sequence[str] | None = None,
        *,
        schema: Schema | Mapping[str, Any] | str | Path | None = None,
        preset: str = "medium",
        time_limit: str | None = None,
        fusion: str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        width: int | None = None,
        seed: int = 0,
        workers: int = 0,
        verbose: bool = False,
    ) -> None:
        self.targets, self.schema, self.preset, self.time_limit = targets, schema, preset, time_limit
        self.fusion, self.epochs, self.batch_size, self.lr, self.width = fusion, epochs, batch_size, lr, width
        self.seed, self.workers, self.verbose = seed, workers, verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Guess the schema, where none is given, and train.

        Args:
            X: Data frame of pandas or polars, path of a table, mapping of columns, or array; with the
                columns of the targets, unless ``y`` has them. Media are paths, contents, or mappings of
                ``bytes`` and ``path``.
            y: Labels: a series, list or array of one target, a frame or array of several.

        Raises:
            ValueError: A column is missing, or an option cannot be used.
            BadCell: A cell cannot be used; row and column are named.
        """
        budget = Budget.of(self.time_limit)
        config = config_of(
            self.preset, fusion=self.fusion, epochs=self.epochs, batch_size=self.batch_size, lr=self.lr,
            width=self.width, seed=self.seed, workers=self.workers,
        )  # fmt: skip
        say = print if self.verbose else _nothing
        rows = self._with_targets(rows_of(X), y)
        schema, rows = split_rows(rows, self._declared(rows))
        say("\n".join([*self.guess_, *rows.notes]))
        with tempfile.TemporaryDirectory() as folder:
            result = fit_rows(config, schema, rows, Path(folder) / "training", budget, say=say)
        self.trained_, self.record_ = result.trained, result.record
        self.validation_ = {} if result.validation is None else dict(result.validation.metrics)
        features = [name for name in rows.columns if name not in schema.target_columns]
        self._describe(features, {n: _originals(t, rows) for n, t in schema.targets.items()})
        return self

    def predict(self, X: Any) -> Any:
        """Return the answers.

        Args:
            X: Rows with the columns of the inputs, in any order; others are ignored.

        Returns:
            For one target a series, of pandas with the frame's index, or an array where ``X`` is no frame;
            for a list of targets a frame with a column each, or a mapping of arrays.
        """
        columns = self._values(self._answers(X))
        if isinstance(self._named(), str) and len(columns) == 1:
            ((name, cells),) = columns.items()
            return series_like(X, name, cells)
        return frame_like(X, columns)

    def predict_proba(self, X: Any) -> Any:
        """Return the calibrated probabilities ``[N, C]``, in the order of ``classes_``; of labels ``[N, L]``.

        Args:
            X: Rows with the columns of the inputs.

        Returns:
            An array for one target; a mapping from target to array for a list of targets, of those that have
            probabilities.

        Raises:
            ValueError: No target has probabilities.
        """
        answers = self._answers(X)
        arrays = {
            name: np.array([list(answer[name]["probabilities"].values()) for answer in answers])
            for name in self.schema_.targets
            if "probabilities" in answers[0][name]
        }
        if not arrays:
            raise ValueError(
                f"predict_proba needs a target of classes or labels. Found {list(self.schema_.targets)}, "
                f"without probabilities. Use predict."
            )
        return next(iter(arrays.values())) if isinstance(self._named(), str) else arrays

    def answers(self, X: Any) -> Any:
        """Return a frame like the file of `sennit table predict`: answers, and probabilities of each class.

        Args:
            X: Rows with the columns of the inputs.
        """
        answers = self._answers(X)
        return frame_like(X, {**answer_columns(self.schema_, answers), **self._values(answers)})

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean over the targets of their scores; larger is better.

        That of classes and labels is the accuracy, or the F1 or the balanced accuracy where that is the
        target's metric; that of numbers is R².

        Args:
            X: Rows, with the columns of the targets unless ``y`` has them.
            y: Labels, as for `fit`.
        """
        check_is_fitted(self, "trained_")
        rows = self.schema_.reading(self._with_targets(rows_of(X), y))
        answers = self._answers(rows)
        scores = [score_of(t, t.read(rows), [a[n] for a in answers]) for n, t in self.schema_.targets.items()]
        return float(np.mean(scores))

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder: what `load` and ``sennit table predict --model`` read.

        Args:
            folder: Folder to write; it is made.
        """
        check_is_fitted(self, "trained_")
        self.trained_.save(folder)
        named = self._named()
        state = {
            "targets": named if named is None or isinstance(named, str) else list(named),
            "values": {name: list(values.items()) for name, values in self._originals.items()},
            "features": list(self.feature_names_in_),
        }
        write_json(Path(folder) / _FILE, state)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model that `save` or ``sennit table fit`` has written; nothing in it is executed.

        Args:
            folder: Folder of the model, or of a run of ``sennit table fit``.

        Raises:
            FileNotFoundError: There is no model in the folder.
            ValueError: A file in it is damaged.
        """
        trained = TrainedTable.load(folder)
        path = Path(folder) / _FILE
        names = list(trained.schema.targets)
        state: dict[str, Any] = {"targets": names[0] if len(names) == 1 else names}
        if path.is_file():
            state = json.loads(path.read_text(encoding="utf-8"))
        model = cls(state["targets"])
        model.trained_ = trained
        originals = {name: dict(values) for name, values in state.get("values", {}).items()}
        model._describe(state.get("features", trained.schema.input_columns), originals)
        return model

    def __sklearn_tags__(self) -> Any:
        """Return the tags of scikit-learn; a fitted model of one target is a classifier or a regressor."""
        tags = super().__sklearn_tags__()
        if hasattr(self, "trained_") and isinstance(self._named(), str):
            from sklearn.utils import ClassifierTags, RegressorTags

            if next(iter(self.schema_.targets.values())).kind == "class":
                tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
            else:
                tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

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
        for name, originals in self._originals.items():
            if name in columns:
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


def _originals(target: Target, rows: Rows) -> dict[str, Any]:
    """Return the cell that each class was in the rows, where that is a plain value."""
    if not isinstance(target, ClassTarget):
        return {}
    cells = [c for c in rows.cells(target.column) if isinstance(c, (str, bool, int, float))]
    originals = {plain_number(str(cell).strip()): cell for cell in reversed(cells)}
    return {name: originals[name] for name in target.classes or [] if name in originals}


def _nothing(text: str) -> None:
    """Take a remark that nobody asked for."""
