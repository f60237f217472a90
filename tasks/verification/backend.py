"""The back-end, from embeddings to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sennit.registry import unknown_name
from sennit.tasks.verification import _adapting, _parts, _saving
from sennit.tasks.verification._checks import array_of, check_embeddings, check_labels, check_speakers
from sennit.tasks.verification._linear import covariance_within, means_of, unit_length
from sennit.tasks.verification.as_norm import as_norm, cohort_statistics
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.cosine import cosine_scores
from sennit.tasks.verification.domain import Domain
from sennit.tasks.verification.enrolment import Enrolment
from sennit.tasks.verification.impostors import Impostors
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.plda import PLDA

Kind = Literal["cosine", "plda"]
_MAX_SCORES = 2**23  # against the cohort, that are held at a time


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
        self.within: np.ndarray | None = None
        self.calibration: Calibration | None = None
        self.impostors: Impostors | None = None
        self.domain: Domain | None = None

    def fit(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Backend:
        """Fit mean, LDA, PLDA and cohort to training speakers; any calibration and domain are dropped.

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
        self.mean, self.lda, self.calibration, self.domain = mean, lda, None, None
        self.within = covariance_within(x, codes, len(names)) if counts.max() > 1 else None
        y = self.transform(x)
        self.plda = PLDA.fit(y, speakers) if self.kind == "plda" else None
        self.cohort = None if self.cohort_top is None else unit_length(means_of(y, codes, len(names)))
        return self

    def adapt(
        self, embeddings: Any, speakers: Sequence[Any] | None = None, *, p_target: float = 0.5
    ) -> Backend:
        """Return a back-end for recordings of another place, from some of them, without labels.

        Embeddings are centred on these recordings, scaled to equal variation within speakers, and compared
        by the cosine. That variation is the training speakers', and moves towards the differences of
        recordings that are among each other's nearest, which stand for pairs of one speaker. Scores are on
        a new scale: the calibration is dropped, and `impostors` gives thresholds by the share of false
        alarms. With fewer than 20 recordings, embeddings are only centred, towards the mean of the
        training speakers, and there are no `impostors`. With labels of five speakers or more, of two
        recordings or more each, the scores are calibrated anew, each speaker's by the other labels.

        Args:
            embeddings: Embeddings of recordings, best of 20 speakers or more.
            speakers: Speaker of each recording, None where there is no label.
            p_target: Prior to calibrate for, if labels suffice.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: The shapes do not fit, or no training speaker had two utterances.
        """
        x = check_embeddings("embeddings", embeddings, len(self._mean()))
        if self.within is None:
            raise ValueError(
                "a back-end that adapts should hold the variation within training speakers. Found none. Fit "
                "it again, to speakers of two utterances or more."
            )
        labels, adapted = check_labels(x, speakers), Backend("cosine")
        adapted.mean, adapted.within = _adapting.adapted_mean(x, self._mean()), self.within
        if len(x) < _adapting.ENOUGH:
            return adapted
        parts = _adapting.adapt(x - adapted.mean, self.within, labels, p_target)
        adapted.lda_dim, adapted.lda = len(adapted.mean), parts.lda
        adapted.impostors, adapted.calibration = parts.impostors, parts.calibration
        return adapted

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
        config, arrays = _parts.flattened({name: getattr(self, name) for name in _parts.PARTS})
        config |= {name: getattr(self, name) for name in ("kind", "lda_dim", "cohort_top")}
        parts = {"mean": self._mean(), "cohort": self.cohort, "within": self.within}
        _saving.write(Path(file), config, arrays | {k: v for k, v in parts.items() if v is not None})

    @classmethod
    def load(cls, file: str | Path) -> Backend:
        """Read a back-end that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is truncated, was changed, or is not a back-end.
        """
        config, arrays = _saving.read(Path(file))
        backend = cls(config["kind"], lda_dim=config["lda_dim"], cohort_top=config["cohort_top"])
        backend.mean, backend.cohort, backend.within = (
            arrays.pop(name, None) for name in ("mean", "cohort", "within")
        )
        for name, part in _parts.restored(config, arrays).items():
            setattr(backend, name, part)
        return backend

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

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError(
                "a back-end should be calibrated before it gives probabilities or decides: scores are on "
                "no known scale. Call `calibrate` with trials of development speakers first."
            )
        return self.calibration
