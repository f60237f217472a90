"""The variation within speakers, from recordings without labels or with labels for a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sennit.tasks.verification._linear import unit_length
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.impostors import Impostors
from sennit.tasks.verification.lda import LDA

ENOUGH = 20  # recordings; fewer are centred only, and towards the mean of the training speakers
_CENTRED = 2.0  # recordings that the mean of the training speakers counts as, if there are not enough
_NEAREST = 3
_WEIGHT = 50.0  # pairs that the variation of the training speakers counts as
_CALIBRATES = 5  # labelled speakers of two recordings or more
_ROUND = 0.5  # share of the training speakers' variation that is taken to be alike in all directions


def adapted_mean(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the mean of the recordings; that of the training speakers has a share in it if they are few."""
    weight = 0.0 if len(x) >= ENOUGH else _CENTRED
    return np.asarray((x.sum(0) + weight * mean) / (len(x) + weight))


@dataclass(frozen=True)
class Adapted:
    """The parts that a back-end has from recordings of another place."""

    lda: LDA
    impostors: Impostors
    calibration: Calibration | None


def adapt(x: np.ndarray, within: np.ndarray, speakers: Sequence[str | None], p_target: float) -> Adapted:
    """Return the parts from enough centred embeddings and the covariance within training speakers."""
    projection = adapted_projection(x, within, speakers)
    unit = unit_length(x @ projection)
    impostors = Impostors.fit((unit @ unit.T)[np.triu_indices(len(x), 1)])
    calibration = None
    if len(_repeated(speakers)) >= _CALIBRATES:
        calibration = Calibration.fit(*crossed_trials(x, within, speakers), p_target=p_target)
    return Adapted(LDA(np.zeros(len(projection)), projection), impostors, calibration)


def adapted_projection(x: np.ndarray, within: np.ndarray, speakers: Sequence[str | None]) -> np.ndarray:
    """Return directions along which the utterances of a speaker vary equally, in the recordings' place.

    Source: Hatch, Kajarekar and Stolcke, "Within-class covariance normalization for SVM-based speaker
    recognition", Interspeech 2006, with the covariance of the training speakers as the prior of a maximum
    a posteriori estimate. Without labels, recordings that are among each other's nearest stand for pairs of
    one speaker.

    Args:
        x: Centred embeddings, enough of them.
        within: Covariance within training speakers.
        speakers: Speaker of each embedding; None where it is not labelled.

    Shape:
        x ``[N, D]``, within and the result ``[D, D]``.
    """
    alike = np.eye(len(within)) * np.trace(within) / len(within)
    prior = (1 - _ROUND) * within + _ROUND * alike
    differences = _differences(x, whitening(prior), speakers)
    if not len(differences):
        return whitening(prior)
    inner = differences.T @ differences / len(differences)
    share = len(differences) / (len(differences) + _WEIGHT)
    return whitening((1 - share) * prior * (np.trace(inner) / np.trace(prior)) + share * inner)


def whitening(covariance: np.ndarray) -> np.ndarray:
    """Return directions, as columns, along which the variance is 1."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(values))


def nearest_pairs(x: np.ndarray, count: int = _NEAREST) -> np.ndarray:
    """Return the rows that are among each other's nearest by the cosine, each pair once: ``[P, 2]``."""
    unit = unit_length(x)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    near = np.zeros(cosines.shape, dtype=bool)
    count = min(count, len(x) - 1)
    np.put_along_axis(near, np.argpartition(-cosines, count - 1, axis=1)[:, :count], True, axis=1)
    return np.argwhere(np.triu(near & near.T, 1))


def crossed_trials(
    x: np.ndarray, within: np.ndarray, speakers: Sequence[str | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of labelled pairs, and whether each has one speaker.

    The speakers are halved: the projection that scores one half knows the labels of the other only.
    """
    names = sorted({name for name in speakers if name is not None})
    repeated = _repeated(speakers)
    order = [*repeated, *(name for name in names if name not in repeated)]  # both halves have pairs
    scores, same = [], []
    for half in (set(order[::2]), set(order[1::2])):
        held = np.array([name in half for name in speakers])
        hidden = [None if name in half else name for name in speakers]
        y = x[held] @ adapted_projection(x, within, hidden)
        owner = np.array([name for name in speakers if name in half])
        first, second = np.triu_indices(len(y), 1)
        unit = unit_length(y)
        scores.append((unit @ unit.T)[first, second])
        same.append(owner[first] == owner[second])
    return np.concatenate(scores), np.concatenate(same)


def _repeated(speakers: Sequence[str | None]) -> list[str]:
    counts = Counter(name for name in speakers if name is not None)
    return sorted(name for name, count in counts.items() if count > 1)


def _differences(x: np.ndarray, directions: np.ndarray, speakers: Sequence[str | None]) -> np.ndarray:
    """Return differences with the covariance within speakers.

    Those of labelled recordings are from the speaker's mean, those of others between each other's nearest.
    """
    free = x[[name is None for name in speakers]]
    parts = [np.empty((0, x.shape[1]))]
    if len(free) > 1:
        pairs = nearest_pairs(free @ directions)
        parts.append((free[pairs[:, 0]] - free[pairs[:, 1]]) / np.sqrt(2))
    for name in _repeated(speakers):
        rows = x[[other == name for other in speakers]]
        parts.append((rows - rows.mean(0)) * np.sqrt(len(rows) / (len(rows) - 1)))
    return np.concatenate(parts)
