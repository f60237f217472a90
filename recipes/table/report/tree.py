"""Gradient-boosted trees beside the net, on the cells that they can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sennit.recipes.table.report.cells import Cells, word_counts
from sennit.recipes.table.report.peer import Floats, Peer

ABOUT = (
    "The tree is scikit-learn's histogram gradient boosting with its defaults (in tables below 400 rows with "
    "smaller leaves); it reads a text as 50 components of its word counts (TF-IDF)."
)
_MOST_CATEGORIES, _COMPONENTS = 255, 50


class Tree(Peer):
    """Gradient-boosted trees."""

    def __init__(self, cells: Cells, train: Sequence[int]) -> None:
        columns = [_most_frequent(column, train) for column in cells.categories.T]
        parts = [column[:, None] for column in columns]
        # One constant column, as cells that are all blank leave no other.
        parts += [cells.numbers, np.zeros((len(cells.numbers), 1))]
        parts += [_components(texts, train) for texts in cells.texts]
        self.x = np.concatenate(parts, 1)
        self.categorical = list(range(len(columns)))

    def probabilities(self, x: Any, labels: NDArray[np.int64], test: Any) -> Floats:
        model = HistGradientBoostingClassifier(**self._options(len(labels)))
        return np.asarray(model.fit(x, labels).predict_proba(test))

    def values(self, x: Any, labels: Floats, test: Any) -> Floats:
        model = HistGradientBoostingRegressor(**self._options(len(labels)))
        return np.asarray(model.fit(x, labels).predict(test))

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
    with np.errstate(invalid="ignore"):  # of the explained share, which nobody reads, of equal texts
        return np.asarray(TruncatedSVD(size, random_state=0).fit(x[train]).transform(x))
