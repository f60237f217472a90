"""The back-end, from embeddings to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from sennit.tasks.verification import _adapting, _parts, _saving
from sennit.tasks.verification._checks import array_of, check_embeddings, check_labels
from sennit.tasks.verification._scoring import Kind as Kind
from sennit.tasks.verification._scoring import Scoring
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.domain import Domain
from sennit.tasks.verification.enrolment import Enrolment
from sennit.tasks.verification.impostors import Impostors


class Backend(Scoring):
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
        super().__init__(kind, lda_dim=lda_dim, cohort_top=cohort_top)
        self.calibration: Calibration | None = None
        self.impostors: Impostors | None = None
        self.domain: Domain | None = None
        self.beside: Scoring | None = None  # whose scores are averaged with this one's, each by its scale
        self.scales: Sequence[float] = ()

    def fit(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Self:
        """Fit mean, LDA, PLDA and cohort to training speakers; calibration and domain are dropped.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.

        Raises:
            ValueError: As in `LDA.fit` and `PLDA.fit`; or there are fewer speakers than ``cohort_top``.
        """
        self.calibration = self.impostors = self.domain = self.beside = None
        return super().fit(embeddings, speakers)

    def enrol(self, embeddings: Any, speakers: Sequence[Any] | np.ndarray) -> Enrolment:
        """Enrol speakers from one or more utterances each.

        Shape:
            embeddings ``[N, D]``, speakers ``[N]``.
        """
        enrolled = super().enrol(embeddings, speakers)
        if self.beside is None:
            return enrolled
        return replace(enrolled, beside=self.beside.enrol(embeddings, speakers))

    def score(self, enrol: Enrolment | Any, test: Any, *, pairs: Any | None = None) -> np.ndarray:
        """Return scores, which are higher for the same speaker.

        Args:
            enrol: Result of `enrol`, or embeddings of one utterance each.
            test: Embeddings of one utterance each.
            pairs: Rows of ``enrol`` and of ``test`` to compare; None compares all with all.

        Shape:
            enrol ``[N, D]``, test ``[M, D]``, pairs ``[P, 2]``; the result ``[N, M]``, or ``[P]``.
        """
        if self.beside is None:
            return super().score(enrol, test, pairs=pairs)
        voices = enrol if isinstance(enrol, Enrolment) else self.enrol(enrol, np.arange(len(enrol)))
        scores = super().score(voices, test, pairs=pairs)
        others = self.beside.score(voices.beside, test, pairs=pairs)
        return np.asarray((scores / self.scales[0] + others / self.scales[1]) / 2)

    def adapt(
        self, embeddings: Any, speakers: Sequence[Any] | None = None, *, p_target: float = 0.5
    ) -> Backend:
        """Return a back-end for recordings of another place, from some of them, without labels.

        Its scores are the mean of two, each by its deviation: of this back-end, centred on the
        recordings, and of cosines with equal variation within speakers along all directions. That variation
        is the training speakers', and moves towards the differences of recordings that are among each
        other's nearest, which stand for pairs of one speaker. Scores are on a new scale: the calibration is
        dropped, and `impostors` gives thresholds by the share of false alarms, from scores of each half of
        the recordings as adapted to the other half. With fewer than 20
        recordings there are cosines only, centred towards the mean of the training speakers, and no
        `impostors`. With labels of five speakers or more, of two recordings or more each, the scores are
        calibrated anew, each speaker's by the other labels.

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
        mean = self._mean()
        x = check_embeddings("embeddings", embeddings, len(mean))
        labels = check_labels(x, speakers)
        if self.within is None:
            raise ValueError(
                "a back-end that adapts should hold the variation within training speakers. Found none. Fit "
                "it again, to speakers of two utterances or more."
            )
        if len(x) < _adapting.ENOUGH:
            adapted = Backend("cosine")
            adapted.mean, adapted.within = _adapting.shrunk_mean(x, mean), self.within
            return adapted
        adapted = self._beside(_adapting.equalised(x, self.within, labels), x)
        first, crossed = _adapting.apart(x), []
        for half in (first, ~first):
            one = self._beside(_adapting.equalised(x[half], self.within, [None] * half.sum()), x[half])
            crossed.append(_adapting.scores_of_pairs(one, x[~half]))
        adapted.impostors = Impostors.fit(np.concatenate(crossed))
        if _adapting.can_calibrate(labels):
            trials = [
                _adapting.labelled_trials(
                    self._beside(_adapting.equalised(x, self.within, hidden), x), x, half
                )
                for half, hidden in _adapting.halves(labels)
            ]
            scores, same = (np.concatenate(columns) for columns in zip(*trials, strict=True))
            adapted.calibrate(scores, same, p_target=p_target)
        return adapted

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
        self._mean()
        _saving.write(Path(file), *_parts.packed(vars(self)))

    @classmethod
    def load(cls, file: str | Path) -> Backend:
        """Read a back-end that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is truncated, was changed, or is not a back-end.
        """
        state = _parts.unpacked(*_saving.read(Path(file)))
        backend = cls(state["kind"], lda_dim=state["lda_dim"], cohort_top=state["cohort_top"])
        vars(backend).update(state)
        return backend

    def _beside(self, beside: Scoring, x: np.ndarray) -> Backend:
        """Return this back-end, centred on embeddings, with another one beside it."""
        adapted = Backend(self.kind, lda_dim=self.lda_dim, cohort_top=self.cohort_top)
        adapted.mean, adapted.within = x.mean(0), self.within
        adapted.lda, adapted.plda, adapted.cohort = self.lda, self.plda, self.cohort
        adapted.scales = [float(_adapting.scores_of_pairs(one, x).std()) for one in (adapted, beside)]
        adapted.beside = beside
        return adapted

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError(
                "a back-end should be calibrated before it gives probabilities or decides: scores are on "
                "no known scale. Call `calibrate` with trials of development speakers first."
            )
        return self.calibration
