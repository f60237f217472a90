"""The scores of different speakers, from recordings without labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import array_of

_LEAST = 45  # pairs: ten recordings
_ONE_DEVIATION = NormalDist().cdf(1)


@dataclass(frozen=True)
class Impostors:
    """A normal distribution of the scores of different speakers, from pairs of unlabelled recordings.

    Almost all pairs of recordings of many speakers have different speakers, and the others have the highest
    scores: so the centre of the scores shows the distribution, as in the estimate of a null distribution
    (Efron, "Large-Scale Simultaneous Hypothesis Testing", JASA 2004). Its mean is the median; its deviation
    is the mean of that of the lower half and of the distance from the median to the quantile of 84 %, if
    that is larger: the upper tail matters, but pairs of one speaker are in it. The fewer the speakers, the
    more pairs have one speaker, which raises both: false alarms become rarer than asked for, and misses
    more frequent.

    Attributes:
        mean: Mean of the scores.
        deviation: Their standard deviation.
        pairs: Number of pairs that were scored.

    Example:
        >>> scores = np.random.default_rng(0).normal(size=10_000)
        >>> scores[:400] += 6  # one speaker
        >>> impostors = Impostors.fit(scores)
        >>> bool(0.002 < (scores[400:] >= impostors.threshold(false_alarm=0.01)).mean() <= 0.01)
        True
    """

    mean: float
    deviation: float
    pairs: int

    @classmethod
    def fit(cls, scores: Any) -> Impostors:
        """Estimate the distribution from scores of unlabelled pairs.

        Args:
            scores: Scores of all pairs of recordings of several speakers, each pair once.

        Shape:
            scores ``[P]``.

        Raises:
            ValueError: There are fewer than 45 pairs, or most scores are equal, or one is not finite.
        """
        x = array_of(scores).astype(np.float64).reshape(-1)
        if len(x) < _LEAST or not np.isfinite(x).all():
            raise ValueError(
                f"`scores` should be {_LEAST} finite numbers or more: all pairs of ten recordings. Found "
                f"{len(x)}, {int((~np.isfinite(x)).sum())} of them not finite."
            )
        mean = float(np.median(x))
        below = float(np.sqrt(np.mean((x[x <= mean] - mean) ** 2)))
        above = float(np.quantile(x, _ONE_DEVIATION)) - mean
        if not max(below, above) > 0:
            raise ValueError(f"`scores` should differ. Found {mean:.4g} for most of {len(x)} pairs.")
        return cls(mean, (below + max(below, above)) / 2, len(x))

    def threshold(self, *, false_alarm: float) -> float:
        """Return the score that at most this share of the pairs of different speakers should reach.

        Raises:
            ValueError: The share is not between 0 and 0.5.
        """
        if not 0 < false_alarm <= 0.5:
            raise ValueError(f"`false_alarm` should be a share from 0 to 0.5. Found {false_alarm}.")
        return self.mean + self.deviation * NormalDist().inv_cdf(1 - false_alarm)

    def to_dict(self) -> dict[str, float]:
        """Return plain JSON values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Impostors:
        """Make the distribution from the result of `to_dict`.

        Raises:
            ValueError: The keys differ, or a value cannot be one of a distribution.
        """
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            raise ValueError(f"a distribution should have the keys {names}. Found {sorted(values)}.")
        mean, deviation, pairs = float(values["mean"]), float(values["deviation"]), int(values["pairs"])
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise ValueError(f"a distribution should be finite, its deviation above 0. Found {values}.")
        return cls(mean, deviation, pairs)
