"""Linear algebra that several methods share."""

from __future__ import annotations

import numpy as np

_ROWS = 2**16


def diagonalise(between: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the basis T with ``Tᵀ within T = 1`` and ``Tᵀ between T = diag(ratios)``, ratios decreasing.

    Shape:
        between, within ``[D, D]``; ratios ``[D]``, T ``[D, D]``.
    """
    values, vectors = np.linalg.eigh(within)
    white = vectors / np.sqrt(values)
    ratios, turned = np.linalg.eigh(white.T @ between @ white)
    return np.maximum(ratios[::-1], 0), white @ turned[:, ::-1]


def means_of(x: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Return the mean of the rows of each group."""
    sums = np.stack([np.bincount(codes, column, groups) for column in x.T], 1)
    return np.asarray(sums / np.bincount(codes, minlength=groups)[:, None])


def covariance_within(x: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Return the covariance within groups, pooled over all of them and then shrunk.

    Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004,
    with scikit-learn.
    """
    from sklearn.covariance import ledoit_wolf

    within, _ = ledoit_wolf(x - means_of(x, codes, groups)[codes], assume_centered=True)
    return np.asarray(within * (len(x) / (len(x) - groups)))  # the means took as many degrees of freedom


def unit_length(x: np.ndarray) -> np.ndarray:
    """Return the rows scaled to length 1.

    Raises:
        ValueError: A row is all zeros.
    """
    length = np.linalg.norm(x, axis=1, keepdims=True)
    if not length.all():
        raise ValueError(
            f"an embedding that is scaled to length 1 should not be all zeros. Found one in row "
            f"{int(np.argmin(length))}. Is that recording silent, or equal to the mean?"
        )
    return np.asarray(x / length)


def bilinear(
    left: np.ndarray,
    right: np.ndarray,
    left_offset: np.ndarray,
    right_offset: np.ndarray,
    pairs: np.ndarray | None,
) -> np.ndarray:
    """Return ``left_i · right_j + left_offset_i + right_offset_j`` for all rows, or for pairs of them.

    Shape:
        left ``[N, D]``, right ``[M, D]``, offsets ``[N]`` and ``[M]``, pairs ``[P, 2]``; the result
        ``[N, M]``, or ``[P]``.
    """
    if pairs is None:
        out = left @ right.T
        out += left_offset[:, None]
        out += right_offset
        return np.asarray(out)
    out = left_offset[pairs[:, 0]] + right_offset[pairs[:, 1]]
    for start in range(0, len(pairs), _ROWS):  # the gathered rows of all pairs may not fit into memory
        i, j = pairs[start : start + _ROWS].T
        out[start : start + _ROWS] += np.einsum("pd,pd->p", left[i], right[j])
    return np.asarray(out)
