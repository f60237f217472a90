"""Bootstrap intervals of error rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sennit.tasks.verification._checks import array_of, check_trials
from sennit.tasks.verification._sweep import Sweep, sweep
from sennit.tasks.verification.det_curve import DetCurve


class Interval(NamedTuple):
    """The ends of an interval."""

    low: float
    high: float


def bootstrap_interval(
    metric: Callable[[DetCurve], float],
    scores: Any,
    labels: Any,
    *,
    units: tuple[Any, Any] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of a metric of the DET curve.

    Source: Owen, "The pigeonhole bootstrap", 2007; Poh, Martin and Bengio, "Performance Generalization in
    Biometric Authentication Using Joint User-Specific and Sample Bootstraps", 2007.

    Trials share utterances and speakers, and are not independent. With ``units`` these are drawn with
    replacement, once for both sides: the weight of a trial is the product of the numbers of times that its
    two units were drawn, or that number where both are the same (a target trial, if speakers are drawn).
    Speakers as units tell how the metric varies for new speakers, utterances for other utterances of the
    same speakers. Without ``units`` the trials are drawn, targets and non-targets separately; the interval
    is correct for trials that share nothing, and too narrow otherwise. A draw without target or
    non-target trials is repeated.

    Trials are sorted once. A draw takes time proportional to the number of targets, with units to that of
    trials.

    Args:
        metric: Function of a curve, such as ``DetCurve.equal_error_rate`` or
            ``lambda curve: curve.min_dcf(p_target=0.01)``.
        scores: Scores, higher for the same speaker.
        labels: Labels, 1 or True for the same speaker.
        units: Unit of each trial's first and second side: names or numbers of speakers or of utterances.
        draws: Number of draws.
        level: Share of the draws within the interval.
        seed: Random seed of the draws.

    Shape:
        scores, labels and each of units: the same, any.

    Raises:
        ValueError: As in `det_curve`; or the units are not one for each trial, or all the same.

    Example:
        >>> scores, labels = np.arange(100) % 37, np.arange(100) % 2
        >>> low, high = bootstrap_interval(DetCurve.equal_error_rate, scores, labels)
        >>> low < 0.5 < high
        True
    """
    x, y = check_trials(scores, labels)
    if not 0 < level < 1:
        raise ValueError(f"`level` should be between 0 and 1. Found {level}. Is it a percentage?")
    if draws < 1:
        raise ValueError(f"`draws` should be 1 or more. Found {draws}.")
    random = np.random.default_rng(seed)
    curves = _by_trial(x, y, random) if units is None else _by_unit(x, y, units, random)
    values = [metric(next(curves)) for _ in range(draws)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _by_trial(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> Iterator[DetCurve]:
    """Yield curves of drawn trials.

    The number of draws between two corners is multinomial, so that no trial is visited.
    """
    swept = sweep(x, y)
    shares = [np.diff(swept.misses) / len(swept.targets), np.diff(swept.rejected) / len(swept.others)]
    sizes = len(swept.targets), len(swept.others)
    while True:
        below = [np.cumsum(random.multinomial(n, p)) / n for n, p in zip(sizes, shares, strict=True)]
        miss, rejected = (np.concatenate([[0.0], rates]) for rates in below)
        yield DetCurve(swept.thresholds, miss, 1 - rejected)


def _by_unit(
    x: np.ndarray, y: np.ndarray, units: tuple[Any, Any], random: np.random.Generator
) -> Iterator[DetCurve]:
    """Yield curves of trials whose units are drawn."""
    sides = [array_of(side).reshape(-1) for side in units]
    if [len(side) for side in sides] != [len(x)] * 2:
        raise ValueError(
            f"`units` should be two arrays with a unit for each of {len(x)} trials. Found "
            f"{[len(side) for side in sides]}."
        )
    names, codes = np.unique(np.concatenate(sides), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"`units` should name two units or more. Found only {names[0]!r}.")
    first, second = codes.astype(np.int32).reshape(2, -1)
    second = np.where(first == second, np.int32(len(names)), second)  # its weight stays 1
    kinds = []
    for kind in (y, ~y):
        trials = np.flatnonzero(kind)
        trials = trials[np.argsort(x[trials], kind="stable")]
        kinds.append((x[trials], first[trials], second[trials]))
    swept = Sweep(kinds[0][0], kinds[1][0])
    corners = swept.misses, swept.rejected
    while True:
        weights = np.append(
            np.bincount(random.integers(len(names), size=len(names)), minlength=len(names)), 1
        )
        below = [
            _below(weights.astype(np.int32), a, b, at) for (_, a, b), at in zip(kinds, corners, strict=True)
        ]
        if all(counts[-1] > 0 for counts in below):
            (miss, targets), (rejected, others) = ((counts, counts[-1]) for counts in below)
            yield DetCurve(swept.thresholds, miss / targets, (others - rejected) / others)


def _below(weights: np.ndarray, first: np.ndarray, second: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the number of drawn trials below each corner."""
    trials = weights[first]
    trials *= weights[second]
    total = np.empty(len(trials) + 1, dtype=np.int64)
    total[0] = 0
    np.cumsum(trials, out=total[1:])
    return np.asarray(total[corners])
