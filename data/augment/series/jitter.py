"""Noise of a sensor."""

from __future__ import annotations

from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, check_sigma, normal, take
from sennit.data.masking import masked_mean


@register_augment("jitter")
class Jitter(SeriesAugmentation):
    """Adds normal noise to each value, in units of the deviation of the channel in the series itself.

    ``y_tc = x_tc + σ s_c ε_tc`` with ``s_c² = Σ_t (x_tc - x̄_c)² / T``; a flat channel stays flat.
    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (jittering).

    Args:
        sigma: Deviation of the noise over that of the channel (σ).

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn is empty.

    Raises:
        ValueError: ``sigma`` is not above 0, or ``x`` is not series.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 5000, 2) * torch.tensor([1.0, 100.0])
        >>> (Jitter(sigma=0.5)(x).x - x).std(1).round(decimals=-1).tolist()
        [[0.0, 50.0]]
    """

    def __init__(self, *, sigma: float = 0.05) -> None:
        super().__init__()
        check_sigma(sigma)
        self.sigma = sigma

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, _ = take(x, mask, rows)
        valid = None if mask is None else mask.index_select(0, rows.to(x.device, non_blocking=True))
        centred = taken - masked_mean(taken, valid).unsqueeze(1)
        deviation = masked_mean(centred.square(), valid).sqrt().unsqueeze(1)
        return taken + self.sigma * deviation * normal((*taken.shape,), generator, taken), {}
