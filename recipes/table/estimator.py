"""An estimator of scikit-learn over tables of any kinds of columns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sennit.files import read_json_object, write_json
from sennit.recipes.table.answers import answer_columns
from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import config_of
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.estimator_base import TableEstimator, originals_of
from sennit.recipes.table.estimator_score import score_of
from sennit.recipes.table.explain import Explanation, explain
from sennit.recipes.table.fitting import fit_rows
from sennit.recipes.table.frames import frame_like, rows_of, series_like
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.trained import TrainedTable

_FILE = "estimator.json"


class TableModel(TableEstimator):
    """A model of a table of pictures, sound, texts, numbers, categories and series, as an estimator.

    It guesses what each column is, trains, and answers for new rows; any cell may be blank, in inputs and in
    targets. Validation rows are drawn from the rows of `fit`: they choose the epoch, the temperature of the
    probabilities and the thresholds. `clone`, ``cross_val_score`` and ``GridSearchCV`` take it.

    Args:
        targets: Column to learn, or several in a list; by default those that are called like a target.
        schema: Meaning of the columns, in place of a guess: a `Schema`, its mapping, or its YAML file.
        preset: ``"fast"``, ``"medium"`` or ``"best"``.
        time_limit: Time of a call of `fit`, such as ``"90s"`` or ``"10m"``, or seconds; None sets no limit.
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
        time_limit: str | float | None = None,
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
        config.check_values("`{}`")
        say = print if self.verbose else _nothing
        rows = self._with_targets(rows_of(X), y)
        schema, rows = split_rows(rows, self._declared(rows))
        say("\n".join([*self.guess_, *rows.notes]))
        with tempfile.TemporaryDirectory() as folder:
            result = fit_rows(config, schema, rows, Path(folder) / "training", budget, say=say)
        self.trained_, self.record_ = result.trained, result.record
        self.validation_ = {} if result.validation is None else dict(result.validation.metrics)
        features = [name for name in rows.columns if name not in schema.target_columns]
        self._describe(features, {n: originals_of(t, rows) for n, t in schema.targets.items()})
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

    def explain(self, X: Any, y: Any = None) -> dict[str, Explanation]:
        """Return, by target, how much each input and each column matters for the answers.

        Args:
            X: Rows, with the columns of the targets unless ``y`` has them; at most 1,000 are drawn.
            y: Labels, as for `fit`.

        Raises:
            ValueError: A column is missing, or no row has a label.
        """
        check_is_fitted(self, "trained_")
        return explain(self.trained_, self._with_targets(rows_of(X), y), seed=self.seed)

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder: what `load` and ``sennit table predict --model`` read.

        Args:
            folder: Folder to write; it is made.
        """
        check_is_fitted(self, "trained_")
        named = self._named()
        state = {
            "targets": named if named is None or isinstance(named, str) else list(named),
            "values": {name: list(values.items()) for name, values in self._originals.items()},
            "features": list(self.feature_names_in_),
        }
        self.trained_.save(folder, beside=lambda new: write_json(new / _FILE, state))

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
            state = read_json_object(path, ("targets", "values", "features"))
        model = cls(state["targets"])
        model.trained_ = trained
        originals = {name: dict(values) for name, values in state.get("values", {}).items()}
        model._describe(state.get("features", trained.schema.input_columns), originals)
        return model


def _nothing(text: str) -> None:
    """Take a remark that nobody asked for."""
