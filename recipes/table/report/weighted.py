"""Metrics of weighted rows, for many weightings at a time.

Each takes weights ``[R, N]``, scores and targets, and returns ``[R]``. With weights of 1 each is the metric
of the task, which a test holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Figure = Callable[[Floats, Floats, Floats], Floats]
_TINY, _LEAST = 1e-12, float(np.finfo(np.float32).tiny)


def accuracy(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the share of rows whose likeliest class is the true one."""
    return _mean(weights, (scores.argmax(1) == targets).astype(np.float64))


def balanced_accuracy(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the mean over the classes that occur of the share of their rows that is recognised."""
    right = scores.argmax(1) == targets
    of_class = targets[:, None] == np.arange(scores.shape[1])
    return np.asarray(np.nanmean((weights @ (of_class & right[:, None])) / (weights @ of_class), 1))


def kappa(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return Cohen's kappa with quadratic weights of the likeliest class."""
    chosen = scores.argmax(1).astype(np.float64)
    observed, count = weights @ (chosen - targets) ** 2, weights.sum(1)
    expected = weights @ (chosen**2 + targets**2) - 2 * (weights @ chosen) * (weights @ targets) / count
    return np.where(expected > _TINY, 1 - observed / np.maximum(expected, _TINY), 0.0)


def rank_mae(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the mean distance between the rank of the likeliest class and that of the true one."""
    return _mean(weights, np.abs(scores.argmax(1) - targets))


def f1_macro(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the mean F1 of the classes that are true or predicted somewhere."""
    classes = np.arange(scores.shape[1])
    true, chosen = targets[:, None] == classes, scores.argmax(1)[:, None] == classes
    return np.asarray(np.nanmean(2 * (weights @ (true & chosen)) / (weights @ true + weights @ chosen), 1))


def log_loss(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the mean negative logarithm of the true class's probability."""
    p = scores[np.arange(len(targets)), targets.astype(np.int64)]
    return _mean(weights, -np.log(np.maximum(p, _LEAST)))


def accuracy_of_labels(weights: Floats, scores: Floats, targets: Floats) -> Floats:
    """Return the share of labels that are recognised, all labels together."""
    labelled = ~np.isnan(targets)
    right = ((scores > 0.5) == (targets > 0.5)) & labelled
    return np.asarray((weights @ right.sum(1)) / (weights @ labelled.sum(1)))


def _auroc(weights: Floats, score: Floats, true: Floats) -> Floats:
    positive, negative = _by_score(weights, score, true)
    below = negative.cumsum(1) - negative
    area = (positive * (below + negative / 2)).sum(1)
    return np.asarray(area / (positive.sum(1) * negative.sum(1)))


def _average_precision(weights: Floats, score: Floats, true: Floats) -> Floats:
    positive, negative = (x[:, ::-1] for x in _by_score(weights, score, true))  # the highest first
    hits = positive.cumsum(1)
    precision = hits / np.maximum(hits + negative.cumsum(1), _TINY)
    return np.asarray((positive * precision).sum(1) / positive.sum(1))


def _f1(weights: Floats, score: Floats, true: Floats) -> Floats:
    chosen, positive = score > 0.5, true > 0.5
    return np.asarray(2 * (weights @ (chosen & positive)) / (weights @ chosen + weights @ positive))


def _log_loss(weights: Floats, score: Floats, true: Floats) -> Floats:
    p = np.where(true > 0.5, score, 1 - score)
    return _mean(weights, -np.log(np.maximum(p, _LEAST)))


def _r2(weights: Floats, score: Floats, true: Floats) -> Floats:
    y = true - true.mean()  # sums of squares about the data's own centre
    spread = weights @ y**2 - (weights @ y) ** 2 / weights.sum(1)
    return np.where(spread > _TINY, 1 - weights @ (true - score) ** 2 / spread, np.nan)


def _mae(weights: Floats, score: Floats, true: Floats) -> Floats:
    return _mean(weights, np.abs(true - score))


def _rmse(weights: Floats, score: Floats, true: Floats) -> Floats:
    return np.sqrt(_mean(weights, (true - score) ** 2))


def _mean(weights: Floats, values: Floats) -> Floats:
    return np.asarray((weights @ values) / weights.sum(1))


def _by_score(weights: Floats, score: Floats, true: Floats) -> tuple[Floats, Floats]:
    """Return the weight of true and of other rows at each different score, the lowest first."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    sorted_weights, flags = weights[:, order], true[order] > 0.5
    return (
        np.add.reduceat(sorted_weights * flags, starts, axis=1),
        np.add.reduceat(sorted_weights * ~flags, starts, axis=1),
    )


def _by_column(figure: Figure) -> Figure:
    """Return the mean of a figure over the columns in which it is defined."""

    def mean(weights: Floats, scores: Floats, targets: Floats) -> Floats:
        values = []
        for score, target in zip(scores.T, targets.T, strict=True):
            labelled = ~np.isnan(target)
            if labelled.any():
                values.append(figure(weights[:, labelled], score[labelled], target[labelled]))
        return np.asarray(np.nanmean(values, 0))

    return mean


def _one_against_rest(figure: Figure, *, second_of_two: bool = False) -> Figure:
    """Return the mean of a figure of labels over the classes, each against all others."""
    by_column = _by_column(figure)

    def mean(weights: Floats, scores: Floats, targets: Floats) -> Floats:
        classes = np.arange(scores.shape[1])[1 if second_of_two and scores.shape[1] == 2 else 0 :]
        flags = targets[:, None] == classes
        return by_column(weights, scores[:, classes], flags.astype(np.float64))

    return mean


def _of_median(figure: Figure) -> Figure:
    """Return a figure of the median class, which is the answer of an ordinal target."""

    def of_median(weights: Floats, scores: Floats, targets: Floats) -> Floats:
        median = (scores.cumsum(1) < 0.5).sum(1).clip(max=scores.shape[1] - 1)
        return figure(weights, (median[:, None] == np.arange(scores.shape[1])).astype(np.float64), targets)

    return of_median


OF_CLASSES: Mapping[str, Figure] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1_macro": f1_macro,
    "log_loss": log_loss,
    "auroc": _one_against_rest(_auroc),
    "average_precision": _one_against_rest(_average_precision, second_of_two=True),
}
"""Figures of one class of several: scores ``[N, C]``, targets ``[N]``."""

OF_RANKS: Mapping[str, Figure] = {
    **OF_CLASSES,
    "accuracy": _of_median(accuracy),
    "balanced_accuracy": _of_median(balanced_accuracy),
    "kappa": _of_median(kappa),
    "rank_mae": _of_median(rank_mae),
}
"""Figures of one class of several that have an order."""

OF_COLUMNS: Mapping[str, Figure] = {
    "accuracy": accuracy_of_labels,
    "f1_macro": _by_column(_f1),
    "auroc": _by_column(_auroc),
    "average_precision": _by_column(_average_precision),
    "log_loss": _by_column(_log_loss),
    "r2": _by_column(_r2),
    "mae": _by_column(_mae),
    "rmse": _by_column(_rmse),
}
"""Figures of labels or numbers: scores and targets ``[N, L]``, NaN where a target is unknown."""
