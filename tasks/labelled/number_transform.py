"""Transforms of a number target that can be inverted, fitted to the training labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from sennit.registry import check_names

TRANSFORMS = ("standard", "log", "quantile")
"""Names of the transforms."""
_MAX_KNOTS = 256


@dataclass(frozen=True)
class NumberTransform:
    """An increasing map of a number, and its inverse.

    ``"standard"`` is ``(y − mean) / scale``, ``"log"`` the same of ``log(y + shift)``, and ``"quantile"``
    maps the labels' distribution to the normal one, linearly between knots (the normal scores of Van der
    Waerden 1952); what lies outside the training labels counts as the nearest of them.

    Args:
        name: Name of the transform.
        mean: Mean of the (log) labels.
        scale: Their standard deviation.
        shift: Number added before the logarithm: 0, or half the smallest positive label where there are
            zeros.
        knots: Increasing labels, of a quantile transform.
        scores: Their normal scores.

    Example:
        >>> transform = NumberTransform.fit("log", [1.0, 10.0, 100.0])
        >>> y = torch.tensor([1.0, 10.0, 1000.0], dtype=torch.float64)
        >>> transform.inverse(transform(y)).round(decimals=6).tolist()
        [1.0, 10.0, 1000.0]
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    knots: Sequence[float] = ()
    scores: Sequence[float] = ()

    def __post_init__(self) -> None:
        check_names("transform", [self.name], TRANSFORMS)

    @classmethod
    def fit(cls, name: str, labels: Sequence[float]) -> NumberTransform:
        """Return the transform of training labels; NaN is left out.

        Raises:
            ValueError: There is no label, or a logarithm of a negative one.
        """
        check_names("transform", [name], TRANSFORMS)
        y = np.asarray(labels, dtype=np.float64)
        y = y[~np.isnan(y)]
        if not len(y):
            raise ValueError("a transform needs labels to be fitted to. Found none.")
        if name == "quantile":
            return cls._of_quantiles(y)
        shift = 0.0
        if name == "log":
            if y.min() < 0:
                raise ValueError(
                    f"`transform: log` needs labels of 0 or more. Found {y.min():g}. Use `transform: "
                    f"quantile`."
                )
            if not y.min():
                shift = float(min(y[y > 0], default=2.0)) / 2
            y = np.log(y + shift)
        return cls(name, float(y.mean()), float(y.std()) or 1.0, shift)

    @classmethod
    def _of_quantiles(cls, y: np.ndarray) -> NumberTransform:
        values, counts = np.unique(y, return_counts=True)
        scores = ndtri((counts.cumsum() - counts / 2) / len(y))  # ties have the score of their middle
        if len(values) > _MAX_KNOTS:
            kept = np.unique(np.linspace(0, len(values) - 1, _MAX_KNOTS).round().astype(int))
            values, scores = values[kept], scores[kept]
        return cls("quantile", knots=values.tolist(), scores=scores.tolist())

    @classmethod
    def of(cls, raw: NumberTransform | Mapping[str, Any]) -> NumberTransform:
        """Return a transform of a mapping of its arguments."""
        return raw if isinstance(raw, NumberTransform) else cls(**raw)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments that are not left at their defaults."""
        defaults = NumberTransform(self.name)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in values.items()}
        return {k: v for k, v in plain.items() if k == "name" or (v != [] and v != getattr(defaults, k))}

    def __call__(self, y: Tensor) -> Tensor:
        """Return transformed labels, in double precision; NaN stays."""
        y = y.double()
        if self.name == "quantile":
            return _interpolated(y, self.knots, self.scores)
        if self.name == "log":
            y = (y + self.shift).clamp(min=1e-300).log()
        return (y - self.mean) / self.scale

    def inverse(self, z: Tensor) -> Tensor:
        """Return the labels of transformed ones, in double precision."""
        z = z.double()
        if self.name == "quantile":
            return _interpolated(z, self.scores, self.knots)
        y = z * self.scale + self.mean
        return y.clamp(max=700).exp() - self.shift if self.name == "log" else y


def _interpolated(x: Tensor, at: Sequence[float], values: Sequence[float]) -> Tensor:
    """Return the piecewise linear function of ``x``, constant outside its knots."""
    knots, heights = (torch.tensor(v, dtype=torch.float64, device=x.device) for v in (at, values))
    if len(knots) == 1:
        return torch.where(x.isnan(), math.nan, heights.expand_as(x))
    # Counted, as ONNX has no search in sorted values.
    right = (x.unsqueeze(-1) > knots).sum(-1).clamp(1, len(knots) - 1)
    left = right - 1
    share = ((x - knots[left]) / (knots[right] - knots[left])).clamp(0, 1)
    return torch.lerp(heights[left], heights[right], share)
