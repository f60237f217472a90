"""A simpler model beside the net."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sennit.recipes.table.report.cells import Cells

Floats = NDArray[np.float64]


class Peer(ABC):
    """Base of the simpler models; each output of several has its own.

    Args:
        cells: Cells of all rows.
        train: Positions of the training rows.

    Attributes:
        x: Features of all rows.
    """

    x: Any

    @abstractmethod
    def __init__(self, cells: Cells, train: Sequence[int]) -> None: ...

    @abstractmethod
    def probabilities(self, x: Any, labels: NDArray[np.int64], test: Any) -> Floats:
        """Return the probability of each class that occurs, for test features, once fitted to ``x``."""

    @abstractmethod
    def values(self, x: Any, labels: Floats, test: Any) -> Floats:
        """Return the number for test features, once fitted to ``x``."""

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
        p[:, present] = 1.0 if len(present) == 1 else self.probabilities(self.x[train], labels, self.x[test])
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
        return self.values(self.x[train], labels, self.x[test])
