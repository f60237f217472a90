"""The recordings that a calibration holds for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import array_of, check_embeddings

_FOLDS, _INSIDE = 5, 0.99  # share of the recordings themselves that should be inside
EMBEDDING = "embedding"


@dataclass(frozen=True)
class Domain:
    """The recordings that scores were calibrated on, and how far others are from them.

    The distance of an embedding is that of Mahalanobis, under a covariance that is shrunk (Ledoit and Wolf,
    "A well-conditioned estimator for large-dimensional covariance matrices", 2004), as in Lee et al., "A
    Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS
    2018, with one class. Each measure of the signal, such as its level, has the range of the recordings and
    a tolerance on both sides. All distances are divided by the largest that is inside, so that above 1
    is outside.

    Attributes:
        mean: Mean embedding.
        covariance: Covariance of the embeddings, shrunk.
        limit: Largest distance of an embedding that is inside; 99 % of the recordings are within it, each
            measured from the others.
        ranges: Lowest and highest value inside of each measure.

    Shape:
        mean ``[D]``, covariance ``[D, D]``.

    Example:
        >>> random = np.random.default_rng(0)
        >>> domain = Domain.fit(random.normal(size=(100, 4)), {"level": [-20.0, -30.0] * 50}, {"level": 5.0})
        >>> far = domain.distances(np.full((1, 4), 9.0), {"level": [-25.0]})
        >>> {name: bool(value[0] > 1) for name, value in far.items()}
        {'embedding': True, 'level': False}
    """

    mean: np.ndarray
    covariance: np.ndarray
    limit: float
    ranges: Mapping[str, Sequence[float]]

    @classmethod
    def fit(cls, embeddings: Any, measures: Mapping[str, Any], tolerance: Mapping[str, float]) -> Domain:
        """Describe recordings.

        Args:
            embeddings: Embedding of each recording; those of a speaker may follow one another.
            measures: Measures of each recording's signal.
            tolerance: Amount by which each measure may leave the range of the recordings.

        Shape:
            embeddings ``[N, D]``, each measure ``[N]``.

        Raises:
            ValueError: There are fewer than ten recordings, or the measures do not fit.
        """
        x = check_embeddings("embeddings", embeddings)
        if len(x) < 2 * _FOLDS:
            raise ValueError(f"a domain needs {2 * _FOLDS} recordings or more. Found {len(x)}.")
        distances = np.empty(len(x))
        for rows in np.array_split(np.arange(len(x)), _FOLDS):
            rest = np.delete(x, rows, 0)
            distances[rows] = _distances(x[rows], rest.mean(0), _covariance(rest))
        limit = float(np.quantile(distances, _INSIDE))
        return cls(x.mean(0), _covariance(x), limit, _ranges(measures, tolerance, len(x)))

    def moved(self, embeddings: Any, measures: Mapping[str, Any], tolerance: Mapping[str, float]) -> Domain:
        """Describe recordings that are too few for `fit`: with the spread of this domain, about their mean.

        Shape:
            embeddings ``[N, D]``, each measure ``[N]``.
        """
        x = check_embeddings("embeddings", embeddings, len(self.mean))
        return Domain(x.mean(0), self.covariance, self.limit, _ranges(measures, tolerance, len(x)))

    def distances(self, embeddings: Any, measures: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the distances of recordings by embedding and by each measure; above 1 is outside.

        Args:
            embeddings: Embedding of each recording.
            measures: Measures of each recording's signal: those of the domain.

        Shape:
            embeddings ``[N, D]``, each measure and each result ``[N]``.

        Raises:
            ValueError: The shapes do not fit, or the measures have other names.
        """
        x = check_embeddings("embeddings", embeddings, len(self.mean))
        if sorted(measures) != sorted(self.ranges):
            raise ValueError(
                f"`measures` should be those of the domain, {sorted(self.ranges)}. Found {sorted(measures)}."
            )
        distances = {EMBEDDING: np.linalg.norm((x - self.mean) @ self._whitening, axis=1) / self.limit}
        for name, (low, high) in self.ranges.items():
            value = _column(name, measures[name], len(x))
            distances[name] = np.abs(value - (low + high) / 2) / ((high - low) / 2)
        return distances

    @cached_property
    def _whitening(self) -> np.ndarray:
        return _whitening(self.covariance)


def _covariance(x: np.ndarray) -> np.ndarray:
    from sklearn.covariance import ledoit_wolf

    return np.asarray(ledoit_wolf(x - x.mean(0), assume_centered=True)[0])


def _whitening(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(values * len(values)))  # 1 is the usual distance in any dimension


def _distances(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm((x - mean) @ _whitening(covariance), axis=1))


def _ranges(
    measures: Mapping[str, Any], tolerance: Mapping[str, float], rows: int
) -> dict[str, tuple[float, float]]:
    if sorted(measures) != sorted(tolerance) or not all(value > 0 for value in tolerance.values()):
        raise ValueError(
            f"`tolerance` should have an amount above 0 for each of {sorted(measures)}. Found {tolerance}."
        )
    columns = {name: _column(name, values, rows) for name, values in measures.items()}
    return {
        name: (float(value.min()) - tolerance[name], float(value.max()) + tolerance[name])
        for name, value in columns.items()
    }


def _column(name: str, values: Any, rows: int) -> np.ndarray:
    column = array_of(values).astype(np.float64)
    if column.shape != (rows,) or not np.isfinite(column).all():
        raise ValueError(
            f"the measure '{name}' should be {rows} finite numbers, one for each recording. Found shape "
            f"{column.shape}."
        )
    return column
