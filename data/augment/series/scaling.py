"""A random scale of each channel."""

from __future__ import annotations

from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, check_sigma, normal, take


@register_augment("scaling")
class Scaling(SeriesAugmentation):
    """Multiplies each channel by a random factor: ``y_tc = (1 + σ ε_c) x_tc``.

    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (scaling).

    Args:
        sigma: Deviation of the factor (σ).

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``scale [B, C]``.

    Raises:
        ValueError: ``sigma`` is not above 0, or ``x`` is not series.

    Example:
        >>> import torch
        >>> out = Scaling(sigma=0.1)(torch.ones(2, 5, 3))
        >>> bool((out.x == out.drawn["scale"].unsqueeze(1)).all())
        True
    """

    def __init__(self, *, sigma: float = 0.1) -> None:
        super().__init__()
        check_sigma(sigma)
        self.sigma = sigma

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, _ = take(x, mask, rows)
        scale = 1 + self.sigma * normal((len(taken), taken.shape[2]), generator, taken)
        return taken * scale.unsqueeze(1), {"scale": scale}
