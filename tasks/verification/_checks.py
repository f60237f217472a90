"""Checks of everything that enters the back-end, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def array_of(x: Any) -> np.ndarray:
    """Return a list, an array or a tensor on any device as an array; half precision becomes float32."""
    if isinstance(x, torch.Tensor):
        x = x.detach()
        x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        return np.asarray(x.cpu().numpy())
    return np.asarray(x)


def check_trials(scores: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels of the same trials, flat; labels are True for the same speaker.

    Raises:
        ValueError: Their shapes differ, a score is not finite, a label is not 0 or 1, or one of the two
            kinds of trial is missing.
    """
    x, y = array_of(scores), array_of(labels)
    if x.shape != y.shape:
        raise ValueError(
            f"`labels` should have a label for each score, shape {x.shape}. Found {y.shape}. Do they "
            f"belong to the same trials?"
        )
    x, y = x.reshape(-1), y.reshape(-1)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    if y.dtype != bool:
        if not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"`labels` should be 1 (target, the same speaker) or 0. Found {y[~np.isin(y, (0, 1))][0]!r}. "
                f"Are they names of speakers? Compare them: `first == second`."
            )
        y = y.astype(bool)
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(
            f"`scores` should be finite. Found {x[~finite][0]} at trial {int(np.argmin(finite))}, of "
            f"{int((~finite).sum())} such. Is an embedding NaN or all zeros?"
        )
    targets = int(y.sum())
    if targets in (0, len(y)):
        raise ValueError(
            f"`labels` should have target and non-target trials. Found {targets} target and "
            f"{len(y) - targets} non-target ones. Are there two speakers, with two utterances of one?"
        )
    return x, y


def check_embeddings(name: str, x: Any, dim: int | None = None) -> np.ndarray:
    """Return embeddings in float64, ``[N, dim]``.

    Raises:
        ValueError: They have another shape, or a value is not finite; the row is named.
    """
    array = array_of(x)
    want = "any" if dim is None else str(dim)
    if array.ndim != 2 or 0 in array.shape or (dim is not None and array.shape[1] != dim):
        hint = " Is the batch axis missing? Try `x[None]`." if array.ndim == 1 else ""
        hint = hint or (" Is it empty?" if 0 in array.shape else " Is the back-end that of another model?")
        raise ValueError(
            f"`{name}` should have shape [utterances, {want} dimensions]. Found {array.shape}.{hint}"
        )
    array = array.astype(np.float64)
    finite = np.isfinite(array).all(1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(
            f"`{name}` should be finite. Found a value that is not in row {row}. Is that recording silent "
            f"or too short?"
        )
    return array


def check_speakers(
    x: np.ndarray, speakers: Sequence[Any] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted names of the speakers, the number of each row's speaker, and each one's row count.

    Raises:
        ValueError: There is not one speaker for each row.
    """
    names, codes, counts = np.unique(array_of(speakers), return_inverse=True, return_counts=True)
    if codes.shape != (len(x),):
        raise ValueError(f"`speakers` should name the speaker of each of {len(x)} rows. Found {codes.shape}.")
    return names, codes, counts


def check_labels(x: np.ndarray, speakers: Sequence[Any] | np.ndarray | None) -> list[str | None]:
    """Return the name of each row's speaker, None where there is none.

    Raises:
        ValueError: There is not one label, or None, for each row.
    """
    labels = [None] * len(x) if speakers is None else list(speakers)
    if len(labels) != len(x):
        raise ValueError(
            f"`speakers` should name the speaker of each of {len(x)} rows, or be None there. Found "
            f"{len(labels)}."
        )
    return [None if label is None else str(label) for label in labels]


def check_pairs(pairs: Any, left: int, right: int) -> np.ndarray:
    """Return the rows of enrolment and test that make each trial, ``[P, 2]``.

    Raises:
        ValueError: They have another shape, or a row does not exist.
    """
    array = array_of(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"`pairs` should be integers of shape [trials, 2]: a row of the enrolment, a row of the test. "
            f"Found {array.dtype} {array.shape}."
        )
    for side, (name, rows) in enumerate((("enrolment", left), ("test", right))):
        column = array[:, side]
        if len(column) and not (column.min() >= 0 and column.max() < rows):
            raise ValueError(
                f"`pairs[:, {side}]` should be rows of the {name}, 0 to {rows - 1}. Found {column.min()} to "
                f"{column.max()}. Are the columns the other way round?"
            )
    return array


def check_cost(p_target: float, c_miss: float, c_fa: float) -> None:
    """Refuse a prior that is not between 0 and 1, and costs that are not positive.

    Raises:
        ValueError: A value is out of range.
    """
    if not 0 < p_target < 1:
        raise ValueError(f"`p_target` should be between 0 and 1. Found {p_target}. Is it a percentage?")
    for name, cost in (("c_miss", c_miss), ("c_fa", c_fa)):
        if not 0 < cost < float("inf"):
            raise ValueError(f"`{name}` should be a cost above 0. Found {cost}.")
