"""The recordings that a calibration holds for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import array_of, check_embeddings, check_speakers
from sennit.tasks.verification._linear import means_of

_FOLDS, _INSIDE = 5, 0.99  # share of the recordings themselves that should be inside
EMBEDDING = "embedding"


@dataclass(frozen=True)
class Domain:
    """The recordings that scores were calibrated on, and how far others are from them.

    The distance of an embedding is that of Mahalanobis from the nearest place, with one covariance within
    places, as in Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
    Adversarial Attacks", NeurIPS 2018; the covariance is shrunk (Ledoit and Wolf, "A well-conditioned
    estimator for large-dimensional covariance matrices", 2004). Each measure of the signal, such as its
    level, has the range of the recordings and a tolerance on both sides. All distances are divided by the
    largest that is inside, so that above 1 is outside.

    Attributes:
        means: Mean embedding of each place.
        covariance: Covariance of the embeddings within places, shrunk.
        limit: Largest distance of an embedding that is inside; 99 % of the recordings are within it, each
            measured from the others.
        ranges: Lowest and highest value inside of each measure.

    Shape:
        means ``[places, D]``, covariance ``[D, D]``.

    Example:
        >>> random = np.random.default_rng(0)
        >>> levels = {"level": [-20.0, -30.0] * 50}
        >>> domain = Domain.fit(random.normal(size=(100, 4)), levels, {"level": (5.0, 5.0)})
        >>> far = domain.distances(np.full((1, 4), 9.0), {"level": [-25.0]})
        >>> {name: bool(value[0] > 1) for name, value in far.items()}
        {'embedding': True, 'level': False}
    """

    means: np.ndarray
    covariance: np.ndarray
    limit: float
    ranges: Mapping[str, Sequence[float]]

    @classmethod
    def fit(
        cls,
        embeddings: Any,
        measures: Mapping[str, Any],
        tolerance: Mapping[str, tuple[float, float]],
        *,
        places: Sequence[Any] | np.ndarray | None = None,
    ) -> Domain:
        """Describe recordings.

        Args:
            embeddings: Embedding of each recording; those of a speaker may follow one another.
            measures: Measures of each recording's signal.
            tolerance: Amounts by which each measure may fall below and exceed the range of the recordings.
            places: Place of each recording, such as its channel; None is one for all.

        Shape:
            embeddings ``[N, D]``, each measure ``[N]``, places ``[N]``.

        Raises:
            ValueError: There are fewer than ten recordings, or the measures do not fit.
        """
        x = check_embeddings("embeddings", embeddings)
        if len(x) < 2 * _FOLDS:
            raise ValueError(f"a domain needs {2 * _FOLDS} recordings or more. Found {len(x)}.")
        _, codes, _ = check_speakers(x, np.zeros(len(x)) if places is None else places)
        distances = np.empty(len(x))
        for rows in _folds(codes):
            distances[rows] = _distances(x[rows], *_spread(np.delete(x, rows, 0), np.delete(codes, rows)))
        limit = float(np.quantile(distances, _INSIDE))
        return cls(*_spread(x, codes), limit, _ranges(measures, tolerance, len(x)))

    def moved(
        self, embeddings: Any, measures: Mapping[str, Any], tolerance: Mapping[str, tuple[float, float]]
    ) -> Domain:
        """Describe recordings that are too few for `fit`: with the spread of this domain, about their mean.

        Shape:
            embeddings ``[N, D]``, each measure ``[N]``.
        """
        x = check_embeddings("embeddings", embeddings, len(self.covariance))
        return Domain(x.mean(0)[None], self.covariance, self.limit, _ranges(measures, tolerance, len(x)))

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
        x = check_embeddings("embeddings", embeddings, len(self.covariance))
        if sorted(measures) != sorted(self.ranges):
            raise ValueError(
                f"`measures` should be those of the domain, {sorted(self.ranges)}. Found {sorted(measures)}."
            )
        distances = {EMBEDDING: _distances(x, self.means, self.covariance) / self.limit}
        for name, (low, high) in self.ranges.items():
            value = _column(name, measures[name], len(x))
            distances[name] = np.abs(value - (low + high) / 2) / ((high - low) / 2)
        return distances


def _folds(codes: np.ndarray) -> list[np.ndarray]:
    """Return rows to hold out: neighbours, of all places."""
    by_place = [np.array_split(np.flatnonzero(codes == code), _FOLDS) for code in np.unique(codes)]
    return [np.concatenate(rows) for rows in zip(*by_place, strict=True)]


def _spread(x: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each place, and the covariance within places."""
    from sklearn.covariance import ledoit_wolf

    _, codes = np.unique(codes, return_inverse=True)
    means = means_of(x, codes, int(codes.max()) + 1)
    return means, np.asarray(ledoit_wolf(x - means[codes], assume_centered=True)[0])


def _distances(x: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the distance of each row from the nearest mean; 1 is the usual one in any dimension."""
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values * len(values))
    return np.asarray(np.min([np.linalg.norm((x - mean) @ whitening, axis=1) for mean in means], axis=0))


def _ranges(
    measures: Mapping[str, Any], tolerance: Mapping[str, tuple[float, float]], rows: int
) -> dict[str, tuple[float, float]]:
    if sorted(measures) != sorted(tolerance) or not all(min(pair) > 0 for pair in tolerance.values()):
        raise ValueError(
            f"`tolerance` should have two amounts above 0 for each of {sorted(measures)}. Found {tolerance}."
        )
    columns = {name: _column(name, values, rows) for name, values in measures.items()}
    return {
        name: (float(value.min()) - tolerance[name][0], float(value.max()) + tolerance[name][1])
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
