"""Scoring of embeddings: what a back-end does before it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from sennit.registry import unknown_name
from sennit.tasks.verification._checks import check_embeddings, check_speakers
from sennit.tasks.verification._linear import covariance_within, means_of, unit_length
from sennit.tasks.verification.as_norm import as_norm, cohort_statistics
from sennit.tasks.verification.cosine import cosine_scores
from sennit.tasks.verification.enrolment import Enrolment
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.plda import PLDA

Kind = Literal["cosine", "plda"]
_MAX_SCORES = 2**23  # against the cohort, that are held at a time


class Scoring:
    """Centring, LDA, length normalisation, cosines or PLDA, AS-norm; see `Backend`."""

    def __init__(self, kind: Kind, *, lda_dim: int | None = None, cohort_top: int | None = None) -> None:
        if kind not in get_args(Kind):
            raise unknown_name("kind of back-end", kind, get_args(Kind))
        self.kind, self.lda_dim, self.cohort_top = kind, lda_dim, cohort_top
        self.mean: np.ndarray | None = None
        self.lda: LDA | None = None
        self.plda: PLDA | None = None
        self.cohort: np.ndarray | None = None
        self.within: np.ndarray | None = None

    def fit(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Self:
        """Fit mean, LDA, PLDA, cohort and the variation within speakers to training speakers.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: As in `LDA.fit` and `PLDA.fit`; or there are fewer speakers than ``cohort_top``.
        """
        x = check_embeddings("embeddings", embeddings)
        names, codes, counts = check_speakers(x, speakers)
        if self.cohort_top is not None and not 2 <= self.cohort_top <= len(names):
            raise ValueError(
                f"`cohort_top` should be from 2 to the number of speakers, {len(names)}. Found "
                f"{self.cohort_top}."
            )
        mean = x.mean(0)
        lda = None if self.lda_dim is None else LDA.fit(x - mean, speakers, dim=self.lda_dim)
        self.mean, self.lda = mean, lda
        self.within = covariance_within(x, codes, len(names)) if counts.max() > 1 else None
        y = self.transform(x)
        self.plda = PLDA.fit(y, speakers) if self.kind == "plda" else None
        self.cohort = None if self.cohort_top is None else unit_length(means_of(y, codes, len(names)))
        return self

    def transform(self, embeddings: Any) -> np.ndarray:
        """Return embeddings centred, reduced and scaled to length 1.

        Shape:
            embeddings ``[N, D]``, the result ``[N, dim]``.
        """
        mean = self._mean()
        x = check_embeddings("embeddings", embeddings, len(mean)) - mean
        return unit_length(x if self.lda is None else self.lda.transform(x))

    def enrol(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Enrolment:
        """Enrol speakers from one or more utterances each.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.
        """
        x = self.transform(embeddings)
        names, codes, counts = check_speakers(x, speakers)
        return Enrolment(names, means_of(x, codes, len(names)), counts)

    def score(self, enrol: Enrolment | Any, test: Any, *, pairs: Any | None = None) -> np.ndarray:
        """Return scores, which are higher for the same speaker.

        Args:
            enrol: Result of `enrol`, or embeddings of one utterance each.
            test: Embeddings of one utterance each.
            pairs: Rows of ``enrol`` and of ``test`` to compare; None compares all with all.

        Shape:
            enrol ``[N, D]``, test ``[M, D]``, pairs ``[P, 2]``; the result ``[N, M]``, or ``[P]``.
        """
        right = self.transform(test)
        voices = enrol if isinstance(enrol, Enrolment) else self.enrol(enrol, np.arange(len(enrol)))
        left, counts = voices.embeddings, voices.counts
        scores = self._compare(left, right, counts, pairs)
        if self.cohort is None:
            return scores
        single = np.ones(len(right), dtype=np.int64)
        return as_norm(scores, self._nearest(left, counts), self._nearest(right, single), pairs=pairs)

    def _mean(self) -> np.ndarray:
        if self.mean is None:
            raise RuntimeError("a back-end should be fitted before it is used. Call `fit` first.")
        return self.mean

    def _compare(self, left: np.ndarray, right: np.ndarray, counts: np.ndarray, pairs: Any) -> np.ndarray:
        if self.plda is None:
            return cosine_scores(left, right, pairs=pairs)
        return self.plda.scores(left, right, counts=counts, pairs=pairs)

    def _nearest(self, x: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return statistics against the cohort, in blocks of rows: all scores may not fit into memory."""
        assert self.cohort is not None
        assert self.cohort_top is not None
        rows = max(1, _MAX_SCORES // len(self.cohort))
        statistics = [
            cohort_statistics(
                self._compare(x[i : i + rows], self.cohort, counts[i : i + rows], None), top=self.cohort_top
            )
            for i in range(0, len(x), rows)
        ]
        mean, std = zip(*statistics, strict=True)
        return np.concatenate(mean), np.concatenate(std)
