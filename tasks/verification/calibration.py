"""Calibration, from scores to probabilities and decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from sennit.tasks.verification._checks import array_of, check_cost, check_trials


@dataclass(frozen=True)
class Calibration:
    """An affine map from scores to log-likelihood ratios.

    Source: Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006, §6;
    prior-weighted logistic regression as in Brümmer and de Villiers, "The BOSARIS Toolkit", 2011. Labels
    are smoothed to ``(N + 1) / (N + 2)`` for N trials of a kind (Platt, "Probabilistic Outputs for Support
    Vector Machines", 1999): ratios stay finite for trials that a threshold separates without error, and no
    more confident than the number of trials allows.

    Attributes:
        scale: Factor of the scores; above 0.
        offset: Number added to the scaled score.

    Example:
        >>> calibration = Calibration.fit([0.1, 0.3, 0.2, 0.9], [0, 0, 1, 1], p_target=0.5)
        >>> calibration == Calibration.from_dict(calibration.to_dict())
        True
        >>> bool(calibration.probability(0.9, p_target=0.5) > calibration.probability(0.9, p_target=0.01))
        True
    """

    scale: float
    offset: float

    @classmethod
    def fit(cls, scores: Any, labels: Any, *, p_target: float) -> Calibration:
        """Fit to trials of development speakers, who must not be those of the test.

        Args:
            scores: Scores of trials, higher for the same speaker.
            labels: Labels, 1 or True for the same speaker.
            p_target: Prior at which the map should be best.

        Shape:
            scores, labels: the same, any.

        Raises:
            ValueError: As in `det_curve`; the prior is out of range; or target scores are not higher.
        """
        from sklearn.linear_model import LogisticRegression

        check_cost(p_target, 1.0, 1.0)
        x, y = check_trials(scores, labels)
        x = x.astype(np.float64)
        centre, spread = float(x.mean()), float(x.std())
        if x[y].mean() <= x[~y].mean():
            raise ValueError(
                f"target trials should have higher scores. Found mean {x[y].mean():.4g} for them and "
                f"{x[~y].mean():.4g} for the others. Are these distances? Negate them."
            )
        kinds = np.where(y, y.sum(), (~y).sum())
        share = np.where(y, p_target, 1 - p_target) / kinds
        sure = (kinds + 1) / (kinds + 2)
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8, max_iter=200)
        model.fit(
            np.tile((x - centre) / spread, 2)[:, None],
            np.concatenate([y, ~y]),
            sample_weight=np.concatenate([share * sure, share * (1 - sure)]) * len(x),
        )
        scale = float(model.coef_[0, 0]) / spread
        prior = math.log(p_target / (1 - p_target))
        return cls(scale, float(model.intercept_[0]) - scale * centre - prior)

    def llr(self, scores: Any) -> np.ndarray:
        """Return natural log-likelihood ratios.

        Shape:
            scores any, the result the same.
        """
        return np.asarray(array_of(scores).astype(np.float64) * self.scale + self.offset)

    def probability(self, scores: Any, *, p_target: float) -> np.ndarray:
        """Return the posterior probability of the same speaker, given the prior ``p_target``.

        Shape:
            scores any, the result the same.

        Raises:
            ValueError: The prior is out of range.
        """
        check_cost(p_target, 1.0, 1.0)
        odds = self.llr(scores) + math.log(p_target / (1 - p_target))
        return np.asarray(np.exp(-np.logaddexp(0, -odds)))

    def threshold(self, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
        """Return the score above which accepting costs less than rejecting, on average (Bayes).

        Raises:
            ValueError: The prior or a cost is out of range.
        """
        check_cost(p_target, c_miss, c_fa)
        least = math.log(c_fa * (1 - p_target) / (c_miss * p_target))
        return (least - self.offset) / self.scale

    def to_dict(self) -> dict[str, float]:
        """Return plain JSON values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Calibration:
        """Make a calibration from the result of `to_dict`.

        Raises:
            ValueError: The keys differ, or a value is not finite, or the scale is not above 0.
        """
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            raise ValueError(f"a calibration should have the keys {names}. Found {sorted(values)}.")
        calibration = cls(**{name: float(values[name]) for name in names})
        if not (0 < calibration.scale < math.inf and math.isfinite(calibration.offset)):
            raise ValueError(f"a calibration should be finite, its scale above 0. Found {calibration}.")
        return calibration
