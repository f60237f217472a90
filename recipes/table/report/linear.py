"""A linear model beside the net, on the cells that it can read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from sennit.recipes.table.report.cells import Cells, word_counts
from sennit.recipes.table.report.peer import Floats, Peer

ABOUT = (
    "The linear model is scikit-learn's logistic or ridge regression with its defaults, on standardised "
    "numbers, categories one by one, and counts of words and of pairs of words (TF-IDF)."
)


class Linear(Peer):
    """Logistic or ridge regression."""

    def __init__(self, cells: Cells, train: Sequence[int]) -> None:
        # One constant column, as cells that are all blank leave no other.
        parts: list[Any] = [np.zeros((len(cells.numbers), 1)), _standardised(cells.numbers, train)]
        parts += [_one_by_one(column) for column in cells.categories.T]
        parts += [word_counts(texts, train, longest=2) for texts in cells.texts]
        self.x = sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr")

    def probabilities(self, x: Any, labels: NDArray[np.int64], test: Any) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(max_iter=300).fit(x, labels)
        return np.asarray(model.predict_proba(test))

    def values(self, x: Any, labels: Floats, test: Any) -> Floats:
        return np.asarray(Ridge().fit(x, labels).predict(test))


def _standardised(x: Floats, train: Sequence[int]) -> Floats:
    """Return numbers in standard deviations, 0 where blank, and a column that says where they are blank."""
    blank = np.isnan(x)
    x = x[:, ~blank[train].all(0)]
    blank = np.isnan(x)
    mean, std = np.nanmean(x[train], 0), np.nanstd(x[train], 0)
    z = np.where(blank, 0, (x - mean) / np.where(std > 0, std, 1))
    return np.concatenate([z, blank[:, blank[train].any(0)]], 1)


def _one_by_one(codes: Floats) -> Any:
    """Return a column for each category; none is set where a cell is blank."""
    rows = np.flatnonzero(~np.isnan(codes))
    columns = codes[rows].astype(np.int64)
    shape = (len(codes), int(columns.max(initial=-1)) + 1)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
