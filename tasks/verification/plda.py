"""Probabilistic linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import check_embeddings, check_pairs, check_speakers
from sennit.tasks.verification._linear import bilinear, diagonalise, means_of
from sennit.tasks.verification.lda import check_repeated

_STEPS, _GAIN = 500, 1e-8  # largest number of steps; smallest gain in log-likelihood per row


@dataclass(frozen=True)
class PLDA:
    """A model of embeddings as the speaker's vector plus variation from utterance to utterance.

    Source: Ioffe, "Probabilistic Linear Discriminant Analysis", ECCV 2006; as the two-covariance model,
    ``x = mean + y + e``, ``y ~ N(0, between)``, ``e ~ N(0, within)``: Brümmer and de Villiers, "The
    speaker partitioning problem", Odyssey 2010.

    Attributes:
        mean: Mean embedding.
        between: Covariance between speakers.
        within: Covariance of the utterances of a speaker.

    Shape:
        mean ``[D]``, between and within ``[D, D]``.

    Raises:
        ValueError: From `fit`: ``within`` cannot be inverted.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = np.repeat(random.normal(size=(50, 4)), 6, 0) + 0.5 * random.normal(size=(300, 4))
        >>> plda = PLDA.fit(x, np.repeat(np.arange(50), 6))
        >>> same, other = plda.scores(x[:1], x[[1, 6]])[0]
        >>> bool(same > 0 > other)
        True
    """

    mean: np.ndarray
    between: np.ndarray
    within: np.ndarray

    @classmethod
    def fit(cls, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> PLDA:
        """Maximise the likelihood by expectation maximisation, starting from the moments.

        The mean is that of the rows.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: There are too few utterances, or they lie in a subspace, so that the covariance
                within speakers cannot be inverted; or no speaker has two.
        """
        x = check_embeddings("embeddings", embeddings)
        names, codes, counts = check_speakers(x, speakers)
        check_repeated(counts)
        mean = x.mean(0)
        means = means_of(x, codes, len(names)) - mean
        inner = x - mean - means[codes]
        scatter = inner.T @ inner
        within = scatter / (len(x) - len(names))
        values = np.linalg.eigvalsh(within)
        rank = int((values > 1e-10 * values[-1]).sum())
        if rank < len(values):
            raise ValueError(
                f"the covariance within speakers should have rank {x.shape[1]}, the number of dimensions. "
                f"Found {rank}, from {len(x)} rows of {len(names)} speakers. "
                f"Reduce the embeddings by LDA first, or add utterances."
            )
        # If all speakers have equally many utterances, the moments are the answer already, except for
        # directions in which speakers differ less than by chance: those start slightly above 0.
        ratios, basis = diagonalise(means.T @ means / len(names), within)
        chance = (1 / counts).mean()
        back = basis.T @ within  # the inverse of the basis
        between = (back.T * np.maximum(ratios - chance, 0.01 * chance)) @ back
        last = -np.inf
        for _ in range(_STEPS):
            likelihood, between, within = _step(between, within, means, counts, scatter)
            if likelihood - last < _GAIN:
                break
            last = likelihood
        return cls(mean, between, within)

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        return diagonalise(self.between, self.within)

    def scores(
        self, enrol: Any, test: Any, *, counts: Any | None = None, pairs: Any | None = None
    ) -> np.ndarray:
        """Return the log-likelihood ratio of one speaker against two, for all rows or for pairs of them.

        In this model a speaker's enrolment utterances matter only through their mean and their number.

        Args:
            enrol: Embeddings, or means of several embeddings of one speaker.
            test: Embeddings of single utterances.
            counts: Number of embeddings averaged into each row of ``enrol`` (default 1).
            pairs: Rows of ``enrol`` and of ``test`` to compare; None compares all with all.

        Shape:
            enrol ``[N, D]``, test ``[M, D]``, counts ``[N]``, pairs ``[P, 2]``; the result ``[N, M]``, or
            ``[P]``.

        Raises:
            ValueError: The shapes do not fit, a value is not finite, or a count is below 1.
        """
        ratios, basis = self._basis
        left = (check_embeddings("enrol", enrol, len(self.mean)) - self.mean) @ basis
        right = (check_embeddings("test", test, len(self.mean)) - self.mean) @ basis
        number = np.ones(len(left), dtype=np.int64) if counts is None else np.asarray(counts)
        if number.shape != (len(left),) or number.min() < 1:
            raise ValueError(f"`counts` should be {len(left)} numbers of 1 or more. Found {number}.")
        chosen = None if pairs is None else check_pairs(pairs, len(left), len(right))
        out: np.ndarray
        if chosen is None:
            out = np.empty((len(left), len(right)))
            for n in np.unique(number):
                out[number == n] = _ratio(left[number == n], right, n, ratios, None)
            return out
        out, number = np.empty(len(chosen)), number[chosen[:, 0]]
        for n in np.unique(number):
            out[number == n] = _ratio(left, right, n, ratios, chosen[number == n])
        return out


def _ratio(
    left: np.ndarray, right: np.ndarray, n: int, ratios: np.ndarray, pairs: np.ndarray | None
) -> np.ndarray:
    """Return the log-likelihood ratio if every row of ``left`` is the mean of n, in the diagonal basis.

    Given n utterances, the next is N(expected, given) in each dimension; a new speaker's is N(0, new).
    """
    expected = left * (n * ratios / (1 + n * ratios))
    given, new = 1 + ratios / (1 + n * ratios), 1 + ratios
    return bilinear(
        expected / given,
        right,
        0.5 * (np.log(new / given).sum() - (expected**2 / given).sum(1)),
        0.5 * (right**2 @ (1 / new - 1 / given)),
        pairs,
    )


def _step(
    between: np.ndarray, within: np.ndarray, means: np.ndarray, counts: np.ndarray, scatter: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the log-likelihood per row, without its constant, and better covariances.

    Source: the M-step of Liu, Rubin and Wu, "Parameter expansion to accelerate EM: the PX-EM algorithm",
    1998, which also fits the scale of the speakers: variances that should be 0 fall much faster.
    In the basis that makes both covariances diagonal, every speaker's posterior is diagonal too.
    """
    ratios, basis = diagonalise(between, within)
    rows, n = counts.sum(), counts[:, None]
    m, inner = means @ basis, basis.T @ scatter @ basis
    spread = 1 + n * ratios
    likelihood = rows * np.linalg.slogdet(basis)[1] - 0.5 * (
        np.log(spread).sum() + np.trace(inner) + (n * m**2 / spread).sum()
    )
    # Speakers as loadings z ~ N(0, 1): a row is loading · z plus the variation within.
    z, variance = n * np.sqrt(ratios) / spread * m, 1 / spread
    cross = (n * m).T @ z
    loading = np.linalg.solve((n * z).T @ z + np.diag((n * variance).sum(0)), cross.T).T
    new_between = loading @ ((z.T @ z + np.diag(variance.sum(0))) / len(counts)) @ loading.T
    new_within = (inner + (n * m).T @ m - loading @ cross.T) / rows
    back = basis.T @ within  # the inverse of the basis
    between, within = back.T @ new_between @ back, back.T @ new_within @ back
    return float(likelihood / rows), (between + between.T) / 2, (within + within.T) / 2
