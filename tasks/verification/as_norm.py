"""Adaptive symmetric normalisation of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from sennit.tasks.verification._checks import array_of, check_pairs


def cohort_statistics(scores: Any, *, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each row's highest scores against a cohort.

    Args:
        scores: Scores of each embedding (or enrolled speaker) against each speaker of the cohort.
        top: Number of the highest scores that count.

    Shape:
        scores ``[N, C]``; the results ``[N]``.

    Raises:
        ValueError: ``top`` is not from 2 to C, a score is not finite, or those of a row are all equal.

    Example:
        >>> mean, std = cohort_statistics([[3.0, 1.0, -9.0]], top=2)
        >>> mean.tolist(), std.tolist()
        ([2.0], [1.0])
    """
    x = array_of(scores).astype(np.float64)
    if x.ndim != 2 or not 2 <= top <= x.shape[1]:
        raise ValueError(
            f"`top` should be from 2 to the size of the cohort, the second axis of `scores`. Found {top} "
            f"for scores of shape {x.shape}."
        )
    if not np.isfinite(x).all():
        raise ValueError(
            "`scores` of the cohort should be finite. Found some that are not. Is an embedding NaN?"
        )
    highest = np.partition(x, x.shape[1] - top, axis=1)[:, x.shape[1] - top :]
    mean, std = highest.mean(1), highest.std(1)
    if not std.all():
        raise ValueError(
            f"the {top} highest scores of a row against the cohort should differ. Found {mean[std == 0][0]} "
            f"for all in row {int(np.argmin(std))}. Does the cohort contain a speaker several times?"
        )
    return mean, std


def as_norm(
    scores: Any,
    enrol: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    pairs: Any | None = None,
) -> np.ndarray:
    """Return scores in standard deviations above those of each side's nearest cohort speakers.

    Source: Cumani et al., "Comparison of Speaker Recognition Approaches for Real Applications",
    Interspeech 2011; Matějka et al., "Analysis of Score Normalization in Multilingual Speaker
    Recognition", Interspeech 2017, eq. 3 (AS-norm1): ``½ ((s − μ_e) / σ_e + (s − μ_t) / σ_t)``.

    Args:
        scores: Scores of all with all, or one for each pair.
        enrol: `cohort_statistics` of the enrolment.
        test: `cohort_statistics` of the test.
        pairs: Rows of enrolment and test behind each score; None for scores of all with all.

    Shape:
        scores ``[N, M]``, or ``[P]`` with pairs ``[P, 2]``; statistics ``[N]`` and ``[M]``.

    Raises:
        ValueError: The shapes do not fit.

    Example:
        >>> one = (np.array([1.0]), np.array([2.0]))
        >>> as_norm([[5.0]], one, one)
        array([[2.]])
    """
    x = array_of(scores).astype(np.float64)
    (mean, std), (test_mean, test_std) = enrol, test
    if pairs is not None:
        rows, columns = check_pairs(pairs, len(mean), len(test_mean)).T
        mean, std, test_mean, test_std = mean[rows], std[rows], test_mean[columns], test_std[columns]
        want: tuple[int, ...] = (len(rows),)
    else:
        want = (len(mean), len(test_mean))
        mean, std = mean[:, None], std[:, None]
    if x.shape != want:
        raise ValueError(f"`scores` should have shape {want}, to match the statistics. Found {x.shape}.")
    # s/2 (1/σ_e + 1/σ_t) − ½ (μ_e/σ_e + μ_t/σ_t)
    x *= 0.5 / std + 0.5 / test_std
    x -= 0.5 * mean / std + 0.5 * test_mean / test_std
    return x
