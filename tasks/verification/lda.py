"""Linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import check_embeddings, check_speakers
from sennit.tasks.verification._linear import covariance_within, diagonalise, means_of


@dataclass(frozen=True)
class LDA:
    """The directions in which speakers differ most, scaled to unit variance within speakers.

    Source: Rao, "The utilization of multiple measurements in problems of biological classification",
    1948. The covariance within speakers is pooled over all of them and then shrunk once (Ledoit and Wolf,
    "A well-conditioned estimator for large-dimensional covariance matrices", 2004, with scikit-learn),
    so that it can be inverted with few utterances per speaker, or with one for some. (scikit-learn's LDA
    shrinks each speaker's covariance separately, and computes the covariance between speakers as the
    difference of two matrices that were shrunk differently.)

    Attributes:
        mean: Mean embedding.
        projection: Directions as columns, the best first; variance within speakers is 1 along each.

    Shape:
        mean ``[D]``, projection ``[D, dim]``.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = np.repeat(random.normal(size=(20, 8)), 5, 0) + 0.1 * random.normal(size=(100, 8))
        >>> LDA.fit(x, np.repeat(np.arange(20), 5), dim=3).transform(x).shape
        (100, 3)
    """

    mean: np.ndarray
    projection: np.ndarray

    @classmethod
    def fit(cls, embeddings: Any, speakers: Sequence[Any] | np.ndarray, *, dim: int) -> LDA:
        """Fit ``dim`` directions.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: ``dim`` exceeds the number of dimensions, or of speakers less one; or no speaker has
                two utterances.
        """
        x = check_embeddings("embeddings", embeddings)
        names, codes, counts = check_speakers(x, speakers)
        most = min(x.shape[1], len(names) - 1)
        if not 1 <= dim <= most:
            raise ValueError(
                f"`dim` should be from 1 to {most}, the smaller of the {x.shape[1]} dimensions of the "
                f"embeddings and the {len(names)} speakers less one. Found {dim}."
            )
        check_repeated(counts)
        mean = x.mean(0)
        means = means_of(x, codes, len(names))
        within = covariance_within(x, codes, len(names))
        outer = (means - mean) * np.sqrt(counts / len(x))[:, None]
        _, basis = diagonalise(outer.T @ outer, within)
        return cls(mean, basis[:, :dim])

    def transform(self, embeddings: Any) -> np.ndarray:
        """Return embeddings in those directions.

        Shape:
            embeddings ``[N, D]``, the result ``[N, dim]``.
        """
        x = check_embeddings("embeddings", embeddings, len(self.mean))
        return np.asarray((x - self.mean) @ self.projection)


def check_repeated(counts: np.ndarray) -> None:
    """Refuse speakers of one utterance each, from which no variance within speakers can be estimated.

    Raises:
        ValueError: No speaker has two utterances.
    """
    if counts.max() < 2:
        raise ValueError(
            f"`speakers` should name at least one speaker twice. Found {len(counts)} speakers with one "
            f"utterance each. Cut the recordings into chunks, and name the speaker of each chunk."
        )
