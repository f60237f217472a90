"""The choice of a back-end, on development speakers as they are and through other channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sennit.recipes.xvector.backends import Embedded
from sennit.tasks.verification import Backend, Calibration, min_cllr
from sennit.tasks.verification.backend import Kind

_ROUNDING = 1e-9
_ROWS_PER_DIMENSION = 2  # that PLDA without LDA needs
Folds = Mapping[str, Mapping[str, Embedded]]
Trials = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Chosen:
    """A back-end, the options chosen for it, and its results on development speakers.

    Attributes:
        backend: Back-end, calibrated on the development trials of all folds and lengths together.
        options: Chosen options.
        costs: Minimal Cllr of the development trials of each fold, the mean over their lengths.
        everywhere: Whether no fold has a higher cost than with plain cosines.
        calibrations: Calibration for each length of the segments, fitted to the trials of all folds.
        development: Whether each development trial has one speaker, and its score, by length.
    """

    backend: Backend
    options: Mapping[str, Any]
    costs: Mapping[str, float]
    everywhere: bool
    calibrations: Mapping[str, Calibration]
    development: Trials

    @property
    def min_cllr(self) -> float:
        """Mean of the costs over the folds."""
        return float(np.mean(list(self.costs.values())))


def choose(
    kind: Kind,
    training: Mapping[str, Embedded],
    development: Folds,
    *,
    lda_dims: Sequence[int],
    cohort_top: Sequence[int],
    p_target: float,
) -> Chosen:
    """Choose the back-end of the lowest minimal Cllr, the mean over folds, and calibrate it.

    Those that no fold has a higher cost with than with plain cosines come first: LDA, PLDA or AS-norm that
    only helps on the corpus it was fitted to would make other corpora worse.

    Args:
        kind: "cosine" or "plda".
        training: Embeddings of training speakers, by how they were made.
        development: Embeddings of development speakers, by fold and length; the folds are the corpus as it
            is, and through other channels.
        lda_dims: LDA dimensions to choose among; 0 is without.
        cohort_top: Cohort sizes to choose among; 0 is none.
        p_target: Prior to calibrate for, on all trials together.

    Raises:
        ValueError: No option fits, or no back-end separates the development speakers.
    """
    plain = _costs(_scores(plain_cosine(training), development), development)
    best: tuple[tuple[bool, float], Backend, dict[str, Any], dict[str, dict[str, np.ndarray]]] | None = None
    tried = 0
    for options in _options(kind, training, lda_dims, cohort_top):
        embedded = training[options["learned_from"]]
        backend = Backend(kind, lda_dim=options["lda_dim"] or None, cohort_top=options["cohort_top"] or None)
        scores = _scores(backend.fit(embedded.x, embedded.speaker), development)
        tried += 1
        if not _apart(_by_length(scores, development)):
            continue
        costs = _costs(scores, development)
        worse = any(costs[fold] > plain[fold] + _ROUNDING for fold in costs)
        rank = (worse, float(np.mean(list(costs.values()))))
        if best is None or rank < best[0]:
            best = rank, backend, options, scores
    if best is None and tried:
        raise ValueError(
            f"a '{kind}' back-end should give development trials of one speaker higher scores. Found "
            f"none of {tried} that does so for segments of every length. Train longer (--epochs), or hold "
            f"out more speakers (--development_speakers)."
        )
    if best is None:
        raise ValueError(
            f"--lda_dims should hold a number that fits a '{kind}' back-end: from 2 to the number of "
            f"training speakers less one, or 0 (with PLDA if there are enough embeddings). "
            f"Found {list(lda_dims)}."
        )
    (worse, _), backend, options, scores = best
    trials = _by_length(scores, development)
    same, values = (np.concatenate(columns) for columns in zip(*trials.values(), strict=True))
    backend.calibrate(values, same, p_target=p_target)
    calibrations = {
        length: Calibration.fit(values, same, p_target=p_target) for length, (same, values) in trials.items()
    }
    return Chosen(backend, options, _costs(scores, development), not worse, calibrations, trials)


def plain_cosine(training: Mapping[str, Embedded]) -> Backend:
    """Return cosines of centred embeddings, which everything else is compared with."""
    embedded = next(iter(training.values()))
    return Backend("cosine").fit(embedded.x, embedded.speaker)


def _scores(backend: Backend, development: Folds) -> dict[str, dict[str, np.ndarray]]:
    """Return the scores of all pairs, by fold and length."""
    return {
        fold: {length: backend.score(e.x, e.x, pairs=e.pairs()[0]) for length, e in lengths.items()}
        for fold, lengths in development.items()
    }


def _costs(scores: Mapping[str, Mapping[str, np.ndarray]], development: Folds) -> dict[str, float]:
    return {
        fold: float(np.mean([min_cllr(v, development[fold][n].pairs()[1]) for n, v in lengths.items()]))
        for fold, lengths in scores.items()
    }


def _apart(trials: Trials) -> bool:
    """Return whether trials of one speaker have the higher mean, at each length."""
    return all(float(values[same].mean()) > float(values[~same].mean()) for same, values in trials.values())


def _by_length(scores: Mapping[str, Mapping[str, np.ndarray]], development: Folds) -> Trials:
    """Return the trials of all folds together, by length."""
    lengths = next(iter(development.values()))
    return {
        length: (
            np.concatenate([development[fold][length].pairs()[1] for fold in scores]),
            np.concatenate([scores[fold][length] for fold in scores]),
        )
        for length in lengths
    }


def _options(
    kind: Kind, training: Mapping[str, Embedded], lda_dims: Sequence[int], cohort_top: Sequence[int]
) -> Iterator[dict[str, Any]]:
    for name, embedded in training.items():
        speakers = len(np.unique(embedded.speaker))
        most = min(embedded.x.shape[1], speakers - 1)
        plenty = kind == "plda" and len(embedded.x) - speakers > _ROWS_PER_DIMENSION * embedded.x.shape[1]
        plenty = plenty and 0 in lda_dims and embedded.varies_throughout()
        for dim in (dim for dim in lda_dims if dim <= most and (dim or kind == "cosine" or plenty)):
            for top in cohort_top:
                if top <= speakers:
                    yield {"learned_from": name, "lda_dim": dim, "cohort_top": top}
