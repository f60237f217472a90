"""Cosine scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from sennit.tasks.verification._checks import check_embeddings, check_pairs
from sennit.tasks.verification._linear import bilinear, unit_length


def cosine_scores(enrol: Any, test: Any, *, mean: Any | None = None, pairs: Any | None = None) -> np.ndarray:
    """Return the cosine of the angle between embeddings, as seen from their mean.

    Source: Dehak et al., "Front-End Factor Analysis for Speaker Verification", 2011, eq. 13.

    Args:
        enrol: Embeddings of the enrolment.
        test: Embeddings of the test.
        mean: Mean embedding of other speakers, which is subtracted first.
        pairs: Rows of ``enrol`` and of ``test`` to compare; None compares all with all.

    Shape:
        enrol ``[N, D]``, test ``[M, D]``, mean ``[D]``, pairs ``[P, 2]``; the result ``[N, M]``, or ``[P]``.

    Raises:
        ValueError: The shapes do not fit, a value is not finite, or an embedding equals the mean.

    Example:
        >>> cosine_scores([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]])
        array([[1., 0.]])
    """
    left = check_embeddings("enrol", enrol)
    right = check_embeddings("test", test, left.shape[1])
    if mean is not None:
        (centre,) = check_embeddings("mean", np.asarray(mean)[None], left.shape[1])
        left, right = left - centre, right - centre
    chosen = None if pairs is None else check_pairs(pairs, len(left), len(right))
    left, right = unit_length(left), unit_length(right)
    return bilinear(left, right, np.zeros(len(left)), np.zeros(len(right)), chosen)
