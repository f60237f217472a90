"""Gradient-boosted trees beside the net, on the cells that they can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sennit.recipes.table.report.cells import Cells, word_counts

Floats = NDArray[np.float64]
ABOUT = (
    "The tree is scikit-learn's histogram gradient boosting with its defaults (in tables below 400 rows with "
    "smaller leaves); it reads a text as 50 components of its word counts (TF-IDF)."
)
_MOST_CATEGORIES, _COMPONENTS = 255, 50


class Tree:
    """Gradient-boosted trees; each output of several has its own.

    Args:
        cells: Cells of all rows.
        train: Positions of the training rows.
    """

    def __init__(self, cells: Cells, train: Sequence[int]) -> None:
        columns = [_most_frequent(column, train) for column in cells.categories.T]
        parts = [column[:, None] for column in columns]
        # One constant column, as cells that are all blank leave no other.
        parts += [cells.numbers, np.zeros((len(cells.numbers), 1))]
        parts += [_components(texts, train) for texts in cells.texts]
        self.x = np.concatenate(parts, 1)
        self.categorical = list(range(len(columns)))

    def classes(
        self, train: Sequence[int], labels: NDArray[np.int64], count: int, test: Sequence[int]
    ) -> Floats:
        """Return the probability of each class for the test rows.

        Args:
            train: Positions of the labelled training rows.
            labels: Their classes.
            count: Number of classes.
            test: Positions of the test rows.

        Shape:
            labels ``[n]``, result ``[N, C]``.
        """
        present = np.unique(labels)
        p = np.zeros((len(test), count))
        if len(present) == 1:
            p[:, present] = 1.0
            return p
        model = HistGradientBoostingClassifier(**self._options(len(labels)))
        p[:, present] = model.fit(self.x[train], labels).predict_proba(self.x[test])
        return p

    def numbers(self, train: Sequence[int], labels: Floats, test: Sequence[int]) -> Floats:
        """Return the number for each test row.

        Args:
            train: Positions of the labelled training rows.
            labels: Their numbers.
            test: Positions of the test rows.

        Shape:
            labels ``[n]``, result ``[N]``.
        """
        model = HistGradientBoostingRegressor(**self._options(len(labels)))
        return np.asarray(model.fit(self.x[train], labels).predict(self.x[test]))

    def _options(self, rows: int) -> dict[str, Any]:
        leaf = min(20, max(2, rows // 20))
        return {"categorical_features": self.categorical, "min_samples_leaf": leaf, "random_state": 0}


def _most_frequent(codes: Floats, train: Sequence[int]) -> Floats:
    """Return codes by frequency in training, the rarest as one: the trees take 255 values at most."""
    labelled = codes[train][~np.isnan(codes[train])].astype(np.int64)
    counts = np.bincount(labelled, minlength=int(np.nanmax(codes, initial=0)) + 1)
    rank = np.empty(len(counts))
    rank[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(counts)), _MOST_CATEGORIES - 1)
    return np.where(np.isnan(codes), np.nan, rank[np.nan_to_num(codes).astype(np.int64)])


def _components(texts: Sequence[str], train: Sequence[int]) -> Floats:
    """Return the leading components of the word counts, as the training rows define them."""
    x = word_counts(texts, train, longest=1)
    size = min(_COMPONENTS, x.shape[1] - 1, len(train) - 1)
    if size < 1:
        return np.zeros((len(texts), 0))
    return np.asarray(TruncatedSVD(size, random_state=0).fit(x[train]).transform(x))
