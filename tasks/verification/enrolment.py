"""Enrolled speakers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Enrolment:
    """Enrolled speakers to compare with.

    Attributes:
        names: Sorted names of the speakers.
        embeddings: Mean of each speaker's embeddings, as the back-end transforms them.
        counts: Number of embeddings in each mean.
        beside: The same speakers in the back-end beside an adapted one.

    Shape:
        names and counts ``[N]``, embeddings ``[N, dim]``.
    """

    names: np.ndarray
    embeddings: np.ndarray
    counts: np.ndarray
    beside: Enrolment | None = None
