"""Weights and lengths of samples, by which a loader draws and groups them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def balanced_weights(labels: Sequence[Hashable | None]) -> list[float]:
    """Return the weight of each sample by which every class is drawn equally often.

    A sample of class c has the weight n / (k n_c), with n labelled samples of k classes, n_c of them of c:
    the weights of all samples have the mean 1. A sample without a label has the weight 1.

    Source: King & Zeng 2001, "Logistic Regression in Rare Events Data" (as scikit-learn's
    ``class_weight="balanced"``), here of the draw and not of the loss.

    Args:
        labels: Class of each sample, None where it has none.

    Raises:
        ValueError: No sample has a label.

    Example:
        >>> balanced_weights(["ok", "ok", "ok", "fraud", None])
        [0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 2.0, 1.0]
    """
    counts = Counter(label for label in labels if label is not None)
    if not counts:
        raise ValueError(
            f"`labels` should hold the class of at least one sample. Found {len(labels)} without one."
        )
    mean = sum(counts.values()) / len(counts)
    return [1.0 if label is None else mean / counts[label] for label in labels]


def checked_weights(weights: Any, size: int) -> NDArray[np.float64]:
    """Return the weights of samples as an array.

    Raises:
        ValueError: One is negative or not finite, all are 0, or their number is not that of the samples.
    """
    values = np.asarray(weights, dtype=np.float64)
    _check_size("weights", values, size)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise ValueError(
            f"`weights` should be finite, 0 or more, and not all 0. Found values from {values.min()} to "
            f"{values.max()}. Give the weights of `balanced_weights(labels)`, or those of the samples."
        )
    return values


def checked_lengths(lengths: Any, size: int) -> NDArray[np.int64]:
    """Return the lengths of samples as an array.

    Raises:
        ValueError: One is negative or no whole number, or their number is not that of the samples.
    """
    values = np.asarray(lengths)
    _check_size("lengths", values, size)
    if not np.issubdtype(values.dtype, np.integer) or (values < 0).any():
        raise ValueError(
            f"`lengths` should be whole numbers, 0 or more: the steps of each sample's longest sequence. "
            f"Found a minimum of {values.min()} ({values.dtype})."
        )
    return values.astype(np.int64)


def _check_size(name: str, values: NDArray[Any], size: int) -> None:
    if values.shape != (size,):
        raise ValueError(
            f"`{name}` should hold one number for each of the {size} samples. Found the shape {values.shape}."
        )


def digest(values: NDArray[Any] | None) -> str | None:
    """Return a hash of an array, by which a resumed loader recognises it; None of None."""
    return None if values is None else hashlib.sha256(values.tobytes()).hexdigest()[:16]
