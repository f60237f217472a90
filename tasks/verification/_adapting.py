"""The variation within speakers, from recordings without labels or with labels for a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from sennit.tasks.verification._linear import unit_length
from sennit.tasks.verification._scoring import Scoring
from sennit.tasks.verification.lda import LDA

ENOUGH = 20  # recordings; fewer are centred only, and towards the mean of the training speakers
_CENTRED = 2.0  # recordings that the mean of the training speakers counts as, if there are not enough
_NEAREST = 3
_OF_A_CLUSTER = 4  # recordings, on average
_WEIGHT = 50.0  # pairs that the variation of the training speakers counts as
_CALIBRATES = 5  # labelled speakers of two recordings or more
_ROUND = 0.5  # share of the training speakers' variation that is taken to be alike in all directions


def shrunk_mean(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the mean of few recordings; that of the training speakers has a share in it."""
    return np.asarray((x.sum(0) + _CENTRED * mean) / (len(x) + _CENTRED))


def equalised(x: np.ndarray, within: np.ndarray, speakers: Sequence[str | None]) -> Scoring:
    """Return cosines with equal variation within speakers along all directions.

    Args:
        x: Embeddings of recordings, enough of them.
        within: Covariance within training speakers.
        speakers: Speaker of each recording; None where it is not labelled.
    """
    scoring = Scoring("cosine", lda_dim=x.shape[1])
    scoring.mean = x.mean(0)
    projection = adapted_projection(x - scoring.mean, within, speakers)
    scoring.lda = LDA(np.zeros(len(projection)), projection)
    return scoring


def scores_of_pairs(scoring: Scoring, x: np.ndarray) -> np.ndarray:
    """Return the score of each pair of embeddings, each pair once."""
    return scoring.score(x, x, pairs=np.stack(np.triu_indices(len(x), 1), 1))


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


def apart(x: np.ndarray) -> np.ndarray:
    """Return which recordings are in the first of two halves that share few speakers: clusters stay whole.

    Source: Ward, "Hierarchical grouping to optimize an objective function", JASA 1963, with SciPy.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    unit = unit_length(x - x.mean(0))
    cluster = fcluster(linkage(unit, "ward"), max(2, len(x) // _OF_A_CLUSTER), "maxclust")
    first, size = np.zeros(len(x), dtype=bool), 0
    names, counts = np.unique(cluster, return_counts=True)
    for name, count in sorted(zip(names, counts, strict=True), key=lambda pair: -pair[1]):
        if size + count <= (len(x) + 1) // 2:
            first[cluster == name] = True
            size += count
    return first


def can_calibrate(speakers: Sequence[str | None]) -> bool:
    """Return whether labels suffice for a calibration."""
    return len(_repeated(speakers)) >= _CALIBRATES


def halves(speakers: Sequence[str | None]) -> Iterator[tuple[list[str | None], list[str | None]]]:
    """Yield the labels of half of the speakers, to score, and those of the other half, to learn from."""
    repeated = _repeated(speakers)
    order = [*repeated, *sorted({name for name in speakers if name} - set(repeated))]  # pairs in both
    for half in (set(order[::2]), set(order[1::2])):
        yield (
            [name if name in half else None for name in speakers],
            [None if name in half else name for name in speakers],
        )


def labelled_trials(
    scoring: Scoring, x: np.ndarray, speakers: Sequence[str | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the pairs of labelled embeddings, and whether each has one speaker."""
    rows = [row for row, name in enumerate(speakers) if name is not None]
    owner = np.array([speakers[row] for row in rows])
    first, second = np.triu_indices(len(rows), 1)
    return scores_of_pairs(scoring, x[rows]), owner[first] == owner[second]


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
