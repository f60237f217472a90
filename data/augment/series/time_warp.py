"""A speed that changes smoothly."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import (
    SeriesAugmentation,
    at_places,
    check_sigma,
    normal,
    smooth_curves,
    take,
)
from sennit.sizes import check_at_least

_SLOWEST = 0.1  # of the mean speed; time never runs backwards


@register_augment("time_warp")
class TimeWarp(SeriesAugmentation):
    """Plays each series at a speed that changes smoothly; beginning, end and length stay.

    ``y_t = x(τ_t)`` with ``τ_t = (T - 1) Σ_(s<t) v_s / Σ_s v_s``, v a spline through ``knots + 2`` values
    ``1 + σ ε``, evenly spaced; between the steps x is linear.
    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (time warping), with a Catmull-Rom spline.

    Args:
        sigma: Deviation of the speed at the knots (σ).
        knots: Number of knots between the two ends.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn is empty.

    Raises:
        ValueError: ``sigma`` is not above 0, ``knots`` is below 1, or ``x`` is not series.

    Example:
        >>> clock = torch.arange(50.0).reshape(1, 50, 1)
        >>> warped = TimeWarp(sigma=0.3)(clock).x.squeeze()
        >>> round(float(warped[0])), round(float(warped[-1])), bool((warped.diff() > 0).all())
        (0, 49, True)
    """

    def __init__(self, *, sigma: float = 0.2, knots: int = 4) -> None:
        super().__init__()
        check_sigma(sigma)
        check_at_least(1, "augmentation 'time_warp'", knots=knots)
        self.sigma, self.knots = sigma, knots

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        values = 1 + self.sigma * normal((len(taken), self.knots + 2, 1), generator, taken)
        speed = smooth_curves(values, taken.shape[1], lengths).squeeze(2).clamp(min=_SLOWEST)
        # Steps between two valid ones: all but that before the first and those of the padding.
        step = torch.arange(taken.shape[1], device=x.device)
        speed = speed * ((step > 0) & (step < lengths.unsqueeze(1)))
        passed = speed.cumsum(1) / speed.sum(1, keepdim=True).clamp(min=_SLOWEST)
        return at_places(taken, passed * (lengths - 1).unsqueeze(1), lengths), {}
