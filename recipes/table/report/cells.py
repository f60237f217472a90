"""The cells of a table that trees and linear models can read: numbers, categories and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.inputs import TextInput
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Numbers, categories and texts of all rows.

    Attributes:
        numbers: Numbers ``[N, F]``, NaN where blank.
        categories: Positions of categories ``[N, K]``, NaN where blank.
        texts: Texts of each column of texts, "" where blank.
        names: Inputs that these are from.
        left_out: Inputs that they cannot read, such as pictures.
    """

    numbers: Floats
    categories: Floats
    texts: Sequence[list[str]]
    names: Sequence[str]
    left_out: Sequence[str]

    @classmethod
    def of(cls, schema: Schema, rows: Rows) -> Cells:
        """Read the cells.

        Args:
            schema: Complete schema.
            rows: Rows and their subsets.
        """
        numbers, categories = [np.zeros((len(rows), 0))], [np.zeros((len(rows), 0))]
        texts, names = [], []
        for name, spec in schema.inputs.items():
            if isinstance(spec, TableInput):
                values = spec.read(rows)
                width = next((len(v) for v in values if isinstance(v, list)), 0)
                x = np.array([_numbers(value, width) for value in values], dtype=np.float64)
                count = width - len(spec.categories)
                numbers.append(x[:, :count])
                categories.append(x[:, count:])
            elif type(spec) is TextInput:
                texts.append([value if isinstance(value, str) else "" for value in spec.read(rows)])
            else:
                continue
            names.append(name)
        left_out = [name for name in schema.inputs if name not in names]
        return cls(np.concatenate(numbers, 1), np.concatenate(categories, 1), texts, names, left_out)


def _numbers(value: Any, width: int) -> list[float]:
    if value is None or isinstance(value, BadCell):
        return [np.nan] * width
    return [np.nan if cell is None else cell for cell in value]


def word_counts(texts: Sequence[str], train: Sequence[int], *, longest: int) -> Any:
    """Return the weighted counts of words (TF-IDF) that occur in training texts, as a sparse matrix.

    Args:
        texts: Texts of all rows.
        train: Positions of the training rows.
        longest: Number of words in the longest run that is counted as one.

    Example:
        >>> word_counts(["red cup", "red frog", "blue"], [0, 1], longest=1).toarray().round(2).tolist()
        [[0.81, 0.0, 0.58], [0.0, 0.81, 0.58], [0.0, 0.0, 0.0]]
    """
    counts = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, longest), max_features=50_000)
    words = counts.build_analyzer()
    if not any(words(texts[i]) for i in train):
        return sparse.csr_matrix((len(texts), 0))
    return counts.fit([texts[i] for i in train]).transform(texts)
