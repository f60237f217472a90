"""A scale that changes smoothly over time."""

from __future__ import annotations

from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, check_sigma, normal, smooth_curves, take
from sennit.sizes import check_at_least


@register_augment("magnitude_warp")
class MagnitudeWarp(SeriesAugmentation):
    """Multiplies each channel by a smooth random curve about 1.

    ``y_tc = g_c(t) x_tc``, g_c a spline through ``knots + 2`` values ``1 + σ ε``, evenly spaced.
    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (magnitude warping), with a Catmull-Rom spline.

    Args:
        sigma: Deviation of the values at the knots (σ).
        knots: Number of knots between the two ends.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn is empty.

    Raises:
        ValueError: ``sigma`` is not above 0, ``knots`` is below 1, or ``x`` is not series.

    Example:
        >>> import torch
        >>> curve = MagnitudeWarp(sigma=0.2)(torch.ones(1, 100, 1)).x.squeeze()
        >>> bool((curve.diff().abs() < 0.05).all()), bool(curve.std() > 0)
        (True, True)
    """

    def __init__(self, *, sigma: float = 0.2, knots: int = 4) -> None:
        super().__init__()
        check_sigma(sigma)
        check_at_least(1, "augmentation 'magnitude_warp'", knots=knots)
        self.sigma, self.knots = sigma, knots

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        values = 1 + self.sigma * normal((len(taken), self.knots + 2, taken.shape[2]), generator, taken)
        return taken * smooth_curves(values, taken.shape[1], lengths), {}
