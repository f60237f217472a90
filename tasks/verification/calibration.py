"""From scores to probabilities and decisions."""

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
    are taken as not quite sure, ``(N + 1) / (N + 2)`` for N trials of a kind (Platt, "Probabilistic
    Outputs for Support Vector Machines", 1999): trials that a threshold separates without error have a
    finite answer too, and no answer is surer than their number allows.

    Attributes:
        scale: Of scores; above 0.
        offset: Added to the scaled score.

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
        """Fit on trials of development speakers, who must not be those of the test.

        Args:
            scores: Of trials.
            labels: 1 or True where the trial is of the same speaker.
            p_target: The prior about which the map should be best.

        Shape:
            scores, labels: the same, any.

        Raises:
            ValueError: As in `det_curve`; the prior is out of range; or target scores are not the higher.
        """
        from sklearn.linear_model import LogisticRegression

        check_cost(p_target, 1.0, 1.0)
        x, y = check_trials(scores, labels)
        x = x.astype(np.float64)
        centre, spread = float(x.mean()), float(x.std())
        if x[y].mean() <= x[~y].mean():
            raise ValueError(
                f"target trials should have the higher scores. Found mean {x[y].mean():.4g} for them and "
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
        """Natural log-likelihood ratios.

        Shape:
            scores any, the result the same.
        """
        return np.asarray(array_of(scores).astype(np.float64) * self.scale + self.offset)

    def probability(self, scores: Any, *, p_target: float) -> np.ndarray:
        """How probable the same speaker is, after the trial, if it was ``p_target`` before.

        Shape:
            scores any, the result the same.

        Raises:
            ValueError: The prior is out of range.
        """
        check_cost(p_target, 1.0, 1.0)
        odds = self.llr(scores) + math.log(p_target / (1 - p_target))
        return np.asarray(np.exp(-np.logaddexp(0, -odds)))

    def threshold(self, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
        """The score from which accepting costs less than rejecting, on average (Bayes).

        Raises:
            ValueError: The prior or a cost is out of range.
        """
        check_cost(p_target, c_miss, c_fa)
        least = math.log(c_fa * (1 - p_target) / (c_miss * p_target))
        return (least - self.offset) / self.scale

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Calibration:
        """What `to_dict` gave.

        Raises:
            ValueError: Other keys, or values that are not finite numbers with a scale above 0.
        """
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            raise ValueError(f"a calibration should have the keys {names}. Found {sorted(values)}.")
        found = cls(**{name: float(values[name]) for name in names})
        if not (0 < found.scale < math.inf and math.isfinite(found.offset)):
            raise ValueError(f"a calibration should be finite, its scale above 0. Found {found}.")
        return found
