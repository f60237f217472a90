"""The back-end, from embeddings to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sennit.registry import unknown_name
from sennit.tasks.verification import _saving
from sennit.tasks.verification._checks import array_of, check_embeddings, check_speakers
from sennit.tasks.verification._linear import means_of, unit_length
from sennit.tasks.verification.as_norm import as_norm, cohort_statistics
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.cosine import cosine_scores
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.plda import PLDA

Kind = Literal["cosine", "plda"]
_MAX_SCORES = 2**23  # against the cohort, that are held at a time


@dataclass(frozen=True)
class Enrolment:
    """Enrolled speakers to compare with.

    Attributes:
        names: Sorted names of the speakers.
        embeddings: Mean of each speaker's embeddings, as the back-end transforms them.
        counts: Number of embeddings in each mean.

    Shape:
        names and counts ``[N]``, embeddings ``[N, dim]``.
    """

    names: np.ndarray
    embeddings: np.ndarray
    counts: np.ndarray


class Backend:
    """Scoring of embeddings, and decisions.

    Embeddings are centred, optionally reduced by `LDA`, scaled to length 1 (Garcia-Romero and
    Espy-Wilson, "Analysis of i-vector Length Normalization in Speaker Recognition Systems", Interspeech
    2011), compared, and the scores optionally normalised by `as_norm`. `fit` needs training speakers,
    `calibrate` other speakers, those of development; test speakers should be in neither.

    Args:
        kind: "cosine" or "plda".
        lda_dim: Number of dimensions to keep; None keeps all, without LDA.
        cohort_top: Number of the nearest training speakers that normalise a score; None leaves scores
            unchanged.

    Raises:
        ValueError: The kind is unknown; from methods, embeddings do not fit.
        RuntimeError: A method is called before `fit`, or a probability or decision needs `calibrate`.

    Example:
        >>> random = np.random.default_rng(0)
        >>> x = np.repeat(random.normal(size=(40, 16)), 5, 0) + 0.3 * random.normal(size=(200, 16))
        >>> speakers = np.repeat(np.arange(40), 5)
        >>> backend = Backend("plda", lda_dim=10).fit(x[:100], speakers[:100])
        >>> scores = backend.score(x[100:150], x[100:150])
        >>> same = speakers[100:150, None] == speakers[None, 100:150]
        >>> once = np.triu(np.ones_like(same), 1)
        >>> backend.calibrate(scores[once], same[once], p_target=0.5)
        >>> voices = backend.enrol(x[150:190], speakers[150:190])
        >>> answer = backend.score(voices, x[195:196])
        >>> backend.decide(answer, p_target=0.5).any(), voices.names.tolist()
        (np.False_, [30, 31, 32, 33, 34, 35, 36, 37])
    """

    def __init__(self, kind: Kind, *, lda_dim: int | None = None, cohort_top: int | None = None) -> None:
        if kind not in get_args(Kind):
            raise unknown_name("kind of back-end", kind, get_args(Kind))
        self.kind, self.lda_dim, self.cohort_top = kind, lda_dim, cohort_top
        self.mean: np.ndarray | None = None
        self.lda: LDA | None = None
        self.plda: PLDA | None = None
        self.cohort: np.ndarray | None = None
        self.calibration: Calibration | None = None

    def fit(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Backend:
        """Fit mean, LDA, PLDA and cohort to training speakers; any calibration is dropped.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: As in `LDA.fit` and `PLDA.fit`; or there are fewer speakers than ``cohort_top``.
        """
        x = check_embeddings("embeddings", embeddings)
        names, codes, _ = check_speakers(x, speakers)
        if self.cohort_top is not None and not 2 <= self.cohort_top <= len(names):
            raise ValueError(
                f"`cohort_top` should be from 2 to the number of speakers, {len(names)}. Found "
                f"{self.cohort_top}."
            )
        mean = x.mean(0)
        lda = None if self.lda_dim is None else LDA.fit(x - mean, speakers, dim=self.lda_dim)
        self.mean, self.lda, self.calibration = mean, lda, None
        y = self.transform(x)
        self.plda = PLDA.fit(y, speakers) if self.kind == "plda" else None
        self.cohort = None if self.cohort_top is None else unit_length(means_of(y, codes, len(names)))
        return self

    def transform(self, embeddings: Any) -> np.ndarray:
        """Return embeddings centred, reduced and scaled to length 1.

        Shape:
            embeddings ``[N, D]``, the result ``[N, dim]``.
        """
        if self.mean is None:
            raise RuntimeError("a back-end should be fitted before it is used. Call `fit` first.")
        x = check_embeddings("embeddings", embeddings, len(self.mean)) - self.mean
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

    def calibrate(self, scores: Any, labels: Any, *, p_target: float) -> None:
        """Fit the calibration of the scores to trials of development speakers; see `Calibration.fit`."""
        self.calibration = Calibration.fit(scores, labels, p_target=p_target)

    def probability(self, scores: Any, *, p_target: float) -> np.ndarray:
        """Return the probability of the same speaker; see `Calibration.probability`."""
        return self._calibrated().probability(scores, p_target=p_target)

    def decide(self, scores: Any, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> np.ndarray:
        """Return whether accepting costs less than rejecting; see `Calibration.threshold`."""
        threshold = self._calibrated().threshold(p_target=p_target, c_miss=c_miss, c_fa=c_fa)
        return np.asarray(array_of(scores) >= threshold)

    def save(self, file: str | Path) -> None:
        """Write the back-end as one safetensors file, atomically; `load` reads it.

        Raises:
            OSError: It cannot be written; an earlier file is kept.
        """
        if self.mean is None:
            raise RuntimeError("a back-end should be fitted before it is saved. Call `fit` first.")
        arrays = {"mean": self.mean, "cohort": self.cohort}
        if self.lda is not None:
            arrays |= {"lda.mean": self.lda.mean, "lda.projection": self.lda.projection}
        if self.plda is not None:
            arrays |= {f"plda.{name}": getattr(self.plda, name) for name in ("mean", "between", "within")}
        config = {"kind": self.kind, "lda_dim": self.lda_dim, "cohort_top": self.cohort_top}
        calibration = self.calibration and self.calibration.to_dict()
        _saving.write(
            Path(file),
            {**config, "calibration": calibration},
            {name: array for name, array in arrays.items() if array is not None},
        )

    @classmethod
    def load(cls, file: str | Path) -> Backend:
        """Read a back-end that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is truncated, was changed, or is not a back-end.
        """
        config, arrays = _saving.read(Path(file))
        calibration = config.pop("calibration")
        backend = cls(**config)
        backend.mean, backend.cohort = arrays["mean"], arrays.get("cohort")
        if backend.lda_dim is not None:
            backend.lda = LDA(arrays["lda.mean"], arrays["lda.projection"])
        if backend.kind == "plda":
            backend.plda = PLDA(*(arrays[f"plda.{name}"] for name in ("mean", "between", "within")))
        backend.calibration = calibration and Calibration.from_dict(calibration)
        return backend

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

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError(
                "a back-end should be calibrated before it gives probabilities or decides: scores are on "
                "no known scale. Call `calibrate` with trials of development speakers first."
            )
        return self.calibration
